//! What came of all cases, for people.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use gingham_engine::runtime::Policy;
use gingham_workbench::cases::{self, CaseOutcome, Failure};

use super::files::Read;
use crate::output::Output;
use crate::table::count as grouped;

pub(super) struct Results {
    pub(super) files: Vec<FileResult>,
}

pub(super) struct FileResult {
    pub(super) path: PathBuf,
    /// The outcomes, or what is wrong with the file and in which line.
    pub(super) cases: Result<Vec<CaseOutcome>, (usize, String)>,
}

impl Results {
    /// Runs the cases whose name contains the filter.
    pub(super) fn of(policy: &Policy, files: Vec<Read>, filter: Option<&str>) -> Self {
        let is_wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
        let result = |read: Read| {
            let cases = read.cases.map(|file| {
                let names = file.cases.iter().map(|case| case.get_ref().name.as_str()).enumerate();
                let wanted: Vec<usize> = names.filter(|(_, name)| is_wanted(name)).map(|(index, _)| index).collect();
                wanted.into_iter().map(|index| cases::run(policy, &file, &read.text, index)).collect()
            });
            FileResult { path: read.path, cases }
        };
        Self { files: files.into_iter().map(result).collect() }
    }

    pub(super) fn passed(&self) -> usize {
        self.outcomes().filter(|outcome| outcome.failure.is_none()).count()
    }

    /// Cases that failed, and files that hold none.
    pub(super) fn failed(&self) -> usize {
        let unreadable = self.files.iter().filter(|file| file.cases.is_err()).count();
        unreadable + self.outcomes().filter(|outcome| outcome.failure.is_some()).count()
    }

    fn outcomes(&self) -> impl Iterator<Item = &CaseOutcome> {
        self.files.iter().flat_map(|file| file.cases.iter().flatten())
    }
}

/// `1 case`, `7 cases`.
pub(super) fn cases(count: usize) -> String {
    format!("{count} case{}", if count == 1 { "" } else { "s" })
}

pub(super) fn show(results: &Results, out: &mut Output) -> io::Result<()> {
    for file in &results.files {
        let path = file.path.display();
        match &file.cases {
            Err((line, message)) => {
                writeln!(out, "{path}")?;
                writeln!(out, "  FAIL  {path}:{line}: {}", message.trim_start_matches(&format!("line {line}: ")))?;
            }
            Ok(outcomes) if outcomes.is_empty() => {}
            Ok(outcomes) => {
                writeln!(out, "{path}")?;
                outcomes.iter().try_for_each(|outcome| show_case(&path.to_string(), outcome, out))?;
                show_unknown_keys(outcomes, out)?;
            }
        }
    }
    writeln!(out, "{} passed, {} failed", results.passed(), results.failed())
}

/// Each key once, however many cases have it.
fn show_unknown_keys(outcomes: &[CaseOutcome], out: &mut Output) -> io::Result<()> {
    let mut shown = BTreeSet::new();
    for outcome in outcomes {
        for key in &outcome.unknown_keys {
            if shown.insert(key.to_string()) {
                writeln!(out, "  note  {}: {key}", outcome.name)?;
            }
        }
    }
    Ok(())
}

fn show_case(path: &str, outcome: &CaseOutcome, out: &mut Output) -> io::Result<()> {
    let Some(failure) = &outcome.failure else {
        let steps = if outcome.steps == 1 { "step" } else { "steps" };
        let fuel = grouped(outcome.usage.fuel);
        return writeln!(out, "  ok    {} ({} {steps}, {fuel} fuel)", outcome.name, outcome.steps);
    };
    writeln!(out, "  FAIL  {}", outcome.name)?;
    writeln!(out, "        {path}:{}: {}", failure.line, place(failure))?;
    for mismatch in &failure.mismatches {
        writeln!(out, "          {:<12} expected  {}", mismatch.what, mismatch.expected)?;
        writeln!(out, "          {:<12} got       {}", "", mismatch.got)?;
    }
    for (name, value) in &failure.report {
        writeln!(out, "          {name:<12} {value}")?;
    }
    Ok(())
}

/// `step 3, add web-1`.
pub(super) fn place(failure: &Failure) -> String {
    match failure.step {
        0 => failure.action.clone(),
        step => format!("step {step}, {}", failure.action),
    }
}
