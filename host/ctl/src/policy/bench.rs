//! `ginghamctl policy bench`: what a policy costs.

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::Library;
use gingham_engine::runtime::{LoadError, Runtime};
use gingham_untrusted::file::{self, FileError};
use gingham_workbench::bench::{self, BaselineError, Bench, Cost, Regression, Situation, regressions};
use gingham_workbench::check::{CheckError, Subject};
use serde::Serialize;

use super::component::{self, ComponentError};
use super::ipam_object::{self, IpamObjectError};
use super::whole_file::check_writable;
use crate::cli::BenchArguments;
use crate::output::Output;
use crate::table::Table;

/// The largest saved bench that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The built-in policy that others are measured beside.
const HOST_LOCAL: &str = "host-local";

#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{count} {} more fuel than in {}", if *.count == 1 { "export needs" } else { "exports need" }, .path.display())]
    Regressed { count: usize, path: PathBuf },
    #[error(
        "policy {policy}: no request was granted, so that only refusals and failures were measured; use a --pod and a \
         configuration that the policy serves, or run `ginghamctl policy call` to see why"
    )]
    NothingGranted { policy: String },
    #[error("{}: {source}", .path.display())]
    Baseline { path: PathBuf, source: BaselineError },
    #[error("cannot read the saved bench: {0}")]
    Read(#[from] FileError),
    #[error("{}: not a bench that --save wrote: {source}", .path.display())]
    Syntax { path: PathBuf, source: serde_json::Error },
    #[error("cannot write the bench to {}: {source}", .path.display())]
    Save { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Config(#[from] IpamObjectError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(flatten)]
    bench: &'a Bench,
    host_local: Option<&'a Bench>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regressions: Option<Vec<Worse<'a>>>,
}

#[derive(Serialize)]
struct Worse<'a> {
    situation: &'a str,
    export: &'a str,
    saved: u64,
    current: u64,
}

pub(super) fn run(arguments: &BenchArguments, library: &Library, out: &mut Output) -> Result<(), BenchError> {
    let ipam = ipam_object::read(&arguments.config)?;
    let not_saved = |path: &Path, source| BenchError::Save { path: path.to_owned(), source };
    arguments.save.iter().try_for_each(|path| check_writable(path).map_err(|source| not_saved(path, source)))?;
    // A saved bench that cannot be read is no reason to wait for a new one.
    let saved = arguments.compare.as_deref().map(read).transpose()?;
    let policy = component::load(&arguments.component, library)?;
    let (node, node_labels) = (arguments.node.node.clone(), arguments.node.labels());
    let subject = Subject { node, node_labels, ..Subject::new(&policy, vec![ipam]) };
    let pod = (arguments.pod.namespace.as_str(), arguments.pod.name.as_str());
    let measured = bench::bench(&subject, pod, arguments.runs)?;
    let host_local = beside(&subject, pod, arguments.runs)?;
    if let Some(path) = &arguments.save {
        save(path, &measured)?;
    }
    let worse = saved.as_ref().map(|saved| regressions(saved, &measured)).transpose();
    let path = || arguments.compare.clone().unwrap_or_default();
    let worse = worse.map_err(|source| BenchError::Baseline { path: path(), source })?;
    if arguments.format.json {
        let regressions = worse.as_ref().map(|worse| worse.iter().map(shown).collect());
        out.json(&Report { bench: &measured, host_local: host_local.as_ref(), regressions })?;
    } else {
        show(&measured, host_local.as_ref(), worse.as_deref(), out)?;
    }
    if !measured.was_granted() {
        return Err(BenchError::NothingGranted { policy: measured.policy });
    }
    match worse.map_or(0, |worse| worse.len()) {
        0 => Ok(()),
        count => Err(BenchError::Regressed { count, path: path() }),
    }
}

fn shown(worse: &Regression) -> Worse<'_> {
    Worse { situation: &worse.situation, export: &worse.export, saved: worse.saved, current: worse.current }
}

fn read(path: &Path) -> Result<Bench, BenchError> {
    let bytes = file::read_argument(path, LARGEST)?;
    serde_json::from_slice(&bytes).map_err(|source| BenchError::Syntax { path: path.to_owned(), source })
}

fn save(path: &Path, bench: &Bench) -> Result<(), BenchError> {
    let text = serde_json::to_string_pretty(bench).unwrap_or_default() + "\n";
    std::fs::write(path, text).map_err(|source| BenchError::Save { path: path.to_owned(), source })
}

/// host-local with the same addresses; none where its configuration cannot say the same, or where it is measured itself.
fn beside(subject: &Subject, pod: (&str, &str), runs: usize) -> Result<Option<Bench>, BenchError> {
    if subject.policy.name() == HOST_LOCAL {
        return Ok(None);
    }
    let Some(built_in) = gingham_builtin::find(HOST_LOCAL) else { return Ok(None) };
    let host_local = built_in.load(&Runtime::new()?)?;
    match bench::beside(&host_local, subject)? {
        None => Ok(None),
        Some(other) => Ok(Some(bench::bench(&other, pod, runs)?)),
    }
}

fn show(
    measured: &Bench,
    host_local: Option<&Bench>,
    worse: Option<&[Regression]>,
    out: &mut Output,
) -> Result<(), BenchError> {
    let mut table = Table::new(["SITUATION", "EXPORT", "FUEL", "CALLS", "MEMORY", "TIME", "HOST-LOCAL: FUEL", "TIME"]);
    for situation in &measured.situations {
        let other = host_local.and_then(|bench| bench.situations.iter().find(|other| other.name == situation.name));
        for (export, cost) in &situation.exports {
            table.row(row(situation, export, *cost, other));
        }
    }
    out.table(&table)?;
    for situation in &measured.situations {
        if let Some(note) = &situation.note {
            writeln!(out, "{}: {note}", situation.name)?;
        }
        if let Some(note) = &situation.release_note {
            writeln!(out, "{}: release: {note}", situation.name)?;
        }
    }
    if host_local.is_none() && measured.policy != HOST_LOCAL {
        writeln!(out, "host-local cannot be configured with the same addresses, and was not measured")?;
    }
    match worse {
        Some([]) => writeln!(out, "no export needs more fuel than in the saved bench")?,
        worse => worse.unwrap_or_default().iter().try_for_each(|worse| {
            let Regression { situation, export, saved, current } = worse;
            writeln!(out, "{situation}: {export} needs {current} fuel instead of {saved}")
        })?,
    }
    Ok(())
}

fn row(situation: &Situation, export: &str, cost: Cost, other: Option<&Situation>) -> [String; 8] {
    let other = other.and_then(|other| other.exports.get(export));
    [
        situation.name.clone(),
        export.to_owned(),
        cost.fuel.to_string(),
        cost.host_calls.to_string(),
        format!("{} KiB", cost.memory / 1024),
        microseconds(cost.nanoseconds),
        other.map(|other| other.fuel.to_string()).unwrap_or_default(),
        other.map(|other| microseconds(other.nanoseconds)).unwrap_or_default(),
    ]
}

fn microseconds(nanoseconds: u64) -> String {
    format!("{}.{} µs", nanoseconds / 1000, nanoseconds % 1000 / 100)
}
