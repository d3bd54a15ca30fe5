//! `ginghamctl policy test`: cases in TOML, run in memory.

mod files;
mod json;
mod junit;
mod results;
mod watch;

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::Library;

use super::component::{self, ComponentError};
use super::whole_file::check_writable;
use crate::cli::TestArguments;
use crate::output::Output;
use files::FilesError;
use results::Results;

/// Why not all cases passed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestError {
    #[error("{failed} of {} failed", results::cases(*.count))]
    Failed { failed: usize, count: usize },
    #[error("no case's name contains {filter:?}: leave out --filter to run all")]
    NoneMatches { filter: String },
    #[error(transparent)]
    Component(#[from] ComponentError),
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error("cannot write the JUnit report {}: {source}", .path.display())]
    Junit { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(arguments: &TestArguments, library: &Library, out: &mut Output) -> Result<(), TestError> {
    if arguments.watch {
        return watch::run(arguments, library, out);
    }
    let no_report = |path: &Path, source| TestError::Junit { path: path.to_owned(), source };
    arguments.junit.iter().try_for_each(|path| check_writable(path).map_err(|source| no_report(path, source)))?;
    let results = results(arguments, library)?;
    if let Some(path) = &arguments.junit {
        let written = junit::report(&arguments.component, &results).and_then(|text| std::fs::write(path, text));
        written.map_err(|source| no_report(path, source))?;
    }
    if arguments.format.json {
        out.json(&json::of(&results))?;
    } else {
        results::show(&results, out)?;
    }
    match results.failed() {
        0 => Ok(()),
        failed => Err(TestError::Failed { failed, count: failed + results.passed() }),
    }
}

/// Runs all cases. The files are read first: they are wrong more often than the policy does not build.
fn results(arguments: &TestArguments, library: &Library) -> Result<Results, TestError> {
    let files = files::read_all(&case_paths(arguments)?)?;
    let policy = component::load(&arguments.component, library)?;
    let results = Results::of(&policy, files, arguments.filter.as_deref());
    match &arguments.filter {
        Some(filter) if results.passed() + results.failed() == 0 => {
            Err(TestError::NoneMatches { filter: filter.clone() })
        }
        _ => Ok(results),
    }
}

/// The files and directories of cases that the command line names, or those of the policy's own directory.
fn case_paths(arguments: &TestArguments) -> Result<Vec<PathBuf>, FilesError> {
    if !arguments.cases.is_empty() {
        return Ok(arguments.cases.clone());
    }
    let own = Path::new(&arguments.component).join("cases");
    if own.is_dir() { Ok(vec![own]) } else { Err(FilesError::NoneGiven { component: arguments.component.clone() }) }
}
