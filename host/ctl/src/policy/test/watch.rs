//! `--watch`: the cases again whenever the policy or a case changes.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use gingham_engine::library::Library;

use super::{TestError, case_paths, files, results};
use crate::cli::TestArguments;
use crate::output::Output;

/// How long a change waits until it is seen.
const INTERVAL: Duration = Duration::from_millis(300);

/// Where builds write, and where tools keep what they fetched.
const NOT_SOURCES: [&str; 6] = ["target", "node_modules", "build", "dist", "venv", "__pycache__"];

/// Runs until the process is ended.
pub(super) fn run(arguments: &TestArguments, library: &Library, out: &mut Output) -> Result<(), TestError> {
    let mut watched = Watched::of(arguments)?;
    loop {
        match results(arguments, library) {
            Ok(results) => results::show(&results, out)?,
            // An error in the middle of an edit is nothing to stop for.
            Err(error) => out.lines(&format_args!("{error}\n"))?,
        }
        writeln!(out, "watching {} files; press Ctrl-C to stop", watched.files.len())?;
        out.flush()?;
        watched.wait(arguments)?;
        writeln!(out)?;
    }
}

/// Files, and what they were when they were looked at last.
struct Watched {
    files: BTreeMap<PathBuf, Seen>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    modified: Option<SystemTime>,
    length: u64,
    /// A build may write a source again without changing it.
    content: u64,
}

impl Watched {
    fn of(arguments: &TestArguments) -> Result<Self, TestError> {
        let mut files = BTreeMap::new();
        for path in paths(arguments)? {
            let seen = look(&path, None);
            files.insert(path, seen);
        }
        Ok(Self { files })
    }

    /// Waits until a content changed, or a file came or went.
    fn wait(&mut self, arguments: &TestArguments) -> Result<(), TestError> {
        loop {
            let mut files = BTreeMap::new();
            for path in paths(arguments)? {
                let seen = look(&path, self.files.get(&path));
                files.insert(path, seen);
            }
            let contents = |files: &BTreeMap<PathBuf, Seen>| -> Vec<(PathBuf, u64)> {
                files.iter().map(|(path, seen)| (path.clone(), seen.content)).collect()
            };
            let has_changed = contents(&files) != contents(&self.files);
            self.files = files;
            if has_changed {
                return Ok(());
            }
            thread::sleep(INTERVAL);
        }
    }
}

fn look(path: &Path, before: Option<&Seen>) -> Seen {
    let found = fs::metadata(path).ok();
    let modified = found.as_ref().and_then(|found| found.modified().ok());
    let length = found.map_or(0, |found| found.len());
    match before {
        Some(before) if (before.modified, before.length) == (modified, length) => *before,
        _ => {
            let mut hasher = DefaultHasher::new();
            fs::read(path).ok().hash(&mut hasher);
            Seen { modified, length, content: hasher.finish() }
        }
    }
}

/// The files of the policy and of the cases.
fn paths(arguments: &TestArguments) -> Result<Vec<PathBuf>, TestError> {
    let mut paths = files::find(&case_paths(arguments)?)?;
    let component = Path::new(&arguments.component);
    if component.is_dir() {
        sources(component, &mut paths);
    } else if component.is_file() {
        paths.push(component.to_owned());
    }
    Ok(paths)
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.')
            || Path::new(&name).extension().is_some_and(|extension| extension == "wasm")
            || NOT_SOURCES.contains(&name.as_str())
        {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => sources(&entry.path(), found),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
}
