//! Files of cases: found, read, and what is wrong with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gingham_untrusted::file;
use gingham_workbench::cases::{self, CaseFile};

/// The largest file of cases, in bytes.
const LARGEST: u64 = 4 << 20;

/// Files of one run: more are a mistaken directory.
const MOST: usize = 10_000;

/// Why there are no cases to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    #[error("which cases? Name files or directories, as in `ginghamctl policy test {component} cases/`")]
    NoneGiven { component: String },
    #[error("no case in {paths}: cases are files that end in .toml, see docs/policies/cases.md")]
    NoneFound { paths: String },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds more than {MOST} files of cases: name a smaller directory", .path.display())]
    TooMany { path: PathBuf },
}

/// A file that was read: cases, or what is wrong with it and in which line.
pub(super) struct Read {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) cases: Result<CaseFile, (usize, String)>,
}

/// Reads all files of these paths.
pub(super) fn read_all(paths: &[PathBuf]) -> Result<Vec<Read>, FilesError> {
    let files = find(paths)?;
    if files.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(FilesError::NoneFound { paths: paths.join(", ") });
    }
    files.into_iter().map(read).collect()
}

/// The files of these paths: those that are named, whatever they are called, and those of directories in order.
pub(super) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, FilesError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            descend(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

fn descend(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), FilesError> {
    let failed = |source| FilesError::Read { path: directory.to_owned(), source };
    let entries = fs::read_dir(directory).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let mut entries: Vec<(PathBuf, bool)> = entries
        .into_iter()
        // A link to a directory is not followed: it may lead back.
        .map(|entry| (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir())))
        .collect();
    entries.sort();
    for (path, is_directory) in entries {
        if is_directory {
            descend(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > MOST {
            return Err(FilesError::TooMany { path: directory.to_owned() });
        }
    }
    Ok(())
}

fn read(path: PathBuf) -> Result<Read, FilesError> {
    let bytes = match file::read_argument(&path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) => return Err(FilesError::Read { path, source: error.into() }),
    };
    let (text, cases) = match String::from_utf8(bytes) {
        Ok(text) => {
            let cases = cases::read(&text).map_err(|error| (error.line(), error.to_string()));
            (text, cases)
        }
        Err(_) => (String::new(), Err((1, "not a text in UTF-8".to_owned()))),
    };
    Ok(Read { path, text, cases })
}
