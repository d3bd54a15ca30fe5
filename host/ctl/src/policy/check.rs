//! `ginghamctl policy check`: properties that every policy keeps.

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::Library;
use gingham_workbench::check::{self, CheckError as WorkbenchError, Effort, Property, Report, Subject, Unserved};
use serde::Serialize;

use super::component::{self, ComponentError};
use super::ipam_object::{self, IpamObjectError};
use super::whole_file::check_writable;
use crate::cli::CheckArguments;
use crate::output::Output;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error("policy {policy} breaks {property}: {}", property.rule())]
    Broken { policy: String, property: Property },
    #[error(
        "policy {policy}: none of {requests} requests was granted, so that only refusals were checked; use a configuration \
         whose texts are the namespaces, label keys and values that the policy serves, or more --steps"
    )]
    NothingGranted { policy: String, requests: usize },
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Config(#[from] IpamObjectError),
    #[error(transparent)]
    Check(#[from] WorkbenchError),
    #[error("cannot write the case to {}: {source}", .path.display())]
    Save { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked<'a> {
    policy: &'a str,
    sequences: usize,
    steps: usize,
    adds: usize,
    granted: usize,
    refused: usize,
    exhausted: usize,
    try_again: usize,
    retries: usize,
    seed: u64,
    unserved_ranges: Vec<UnservedRange>,
    finding: Option<Found<'a>>,
}

#[derive(Serialize)]
struct UnservedRange {
    /// The number of the configuration: the first is 1.
    configuration: usize,
    range: String,
}

#[derive(Serialize)]
struct Found<'a> {
    property: &'static str,
    rule: &'static str,
    message: &'a str,
    case: &'a str,
}

pub(super) fn run(arguments: &CheckArguments, library: &Library, out: &mut Output) -> Result<(), CheckError> {
    // A finding may have taken an hour.
    arguments.save.iter().try_for_each(|path| check_writable(path).map_err(|source| not_saved(path, source)))?;
    let files = arguments.network.config.iter().map(|path| ipam_object::read(path));
    let configurations = files.collect::<Result<Vec<_>, _>>()?;
    let policy = component::load(&arguments.component, library)?;
    let subject = Subject {
        node: arguments.network.node.node.clone(),
        node_labels: arguments.network.node.labels(),
        ..Subject::new(&policy, configurations)
    };
    let (steps, seed, time) = (arguments.steps, arguments.seed, arguments.time);
    let report = check::check(&subject, &Effort { steps, seed, time, skipped: arguments.skip.clone() })?;
    let to_save = arguments.save.as_ref().zip(report.finding.as_ref());
    let saved = to_save.map(|(path, finding)| {
        std::fs::write(path, &finding.case).map_err(|source| not_saved(path, source))?;
        Ok::<&Path, CheckError>(path.as_path())
    });
    if arguments.format.json {
        out.json(&checked(policy.name(), &report, seed))?;
    } else {
        show(policy.name(), &report, (arguments, saved.as_ref().and_then(|saved| saved.as_ref().ok().copied())), out)?;
    }
    saved.transpose()?;
    match report.finding {
        None if report.counts.granted == 0 && report.counts.adds > 0 => {
            Err(CheckError::NothingGranted { policy: policy.name().to_owned(), requests: report.counts.adds })
        }
        None => Ok(()),
        Some(finding) => {
            let (policy, property) = (policy.name().to_owned(), finding.violation.property);
            Err(CheckError::Broken { policy, property })
        }
    }
}

fn not_saved(path: &Path, source: io::Error) -> CheckError {
    CheckError::Save { path: path.to_owned(), source }
}

fn checked<'a>(policy: &'a str, report: &'a Report, seed: u64) -> Checked<'a> {
    let counts = report.counts;
    let finding = report.finding.as_ref().map(|finding| Found {
        property: finding.violation.property.name(),
        rule: finding.violation.property.rule(),
        message: &finding.violation.message,
        case: &finding.case,
    });
    Checked {
        policy,
        sequences: counts.sequences,
        steps: counts.steps,
        adds: counts.adds,
        granted: counts.granted,
        refused: counts.refused,
        exhausted: counts.exhausted,
        try_again: counts.try_again,
        retries: counts.retries,
        seed,
        unserved_ranges: report.unserved.iter().map(unserved_range).collect(),
        finding,
    }
}

fn unserved_range(unserved: &Unserved) -> UnservedRange {
    UnservedRange { configuration: unserved.configuration + 1, range: unserved.range.to_string() }
}

fn show(
    policy: &str,
    report: &Report,
    (arguments, saved): (&CheckArguments, Option<&Path>),
    out: &mut Output,
) -> Result<(), CheckError> {
    let counts = report.counts;
    writeln!(out, "Policy {policy}: {} sequences, {} steps, seed {}", counts.sequences, counts.steps, arguments.seed)?;
    writeln!(
        out,
        "  ADD        {}: {} granted, {} refused ({} for an exhausted pool, {} for a time)",
        counts.adds, counts.granted, counts.refused, counts.exhausted, counts.try_again
    )?;
    writeln!(out, "  retries    {}", counts.retries)?;
    let Some(finding) = &report.finding else { return Ok(show_kept(report, arguments, out)?) };
    writeln!(out, "  broken     {}: {}", finding.violation.property, finding.violation.property.rule())?;
    writeln!(out, "  because    {}", finding.violation.message)?;
    let property = finding.violation.property;
    if property == Property::FindsFreeAddresses {
        writeln!(
            out,
            "  on purpose declare pools without the addresses that are left out, refuse with another kind than exhausted, \
             or use `--skip {property}`"
        )?;
    }
    match saved {
        Some(path) => {
            let again = format!("ginghamctl policy test {} {}", arguments.component, path.display());
            writeln!(out, "  case       {}; run it again with `{again}`", path.display())?;
        }
        None => out.lines(&format!("\n{}", finding.case))?,
    }
    Ok(())
}

fn show_kept(report: &Report, arguments: &CheckArguments, out: &mut Output) -> io::Result<()> {
    if report.counts.granted == 0 {
        return Ok(());
    }
    let kept = Property::ALL.iter().filter(|property| !arguments.skip.contains(property));
    let kept: Vec<&str> = kept.map(|property| property.name()).collect();
    writeln!(out, "  kept       {}", kept.join(", "))?;
    if !report.unserved.is_empty() {
        let config = &arguments.network.config;
        let range = |unserved: &Unserved| format!("{} of {}", unserved.range, config[unserved.configuration].display());
        let ranges: Vec<String> = report.unserved.iter().map(range).collect();
        writeln!(out, "  note       no request got an address of {}: use more --steps", ranges.join(" and "))?;
    }
    if report.counts.exhausted == 0 {
        writeln!(out, "  note       no request was refused as exhausted, so that finds-free-addresses was not tried")?;
    }
    Ok(())
}
