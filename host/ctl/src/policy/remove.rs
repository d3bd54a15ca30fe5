//! `ginghamctl policy remove`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::{Library, LibraryError};

use crate::cli::RemoveArguments;
use crate::output::Output;

/// Why a policy was not removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoveError {
    #[error("{name} is built into the plugin and cannot be removed")]
    BuiltIn { name: String },
    #[error("no policy {name} is installed in {library}; `ginghamctl policy list` shows those that are")]
    Unknown { name: String, library: PathBuf },
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(
    arguments: &RemoveArguments,
    library: &mut Library,
    library_dir: &Path,
    out: &mut Output,
) -> Result<(), RemoveError> {
    let name = arguments.name.clone();
    if !library.remove(&name)? {
        return Err(match gingham_builtin::find(&name) {
            Some(_) => RemoveError::BuiltIn { name },
            None => RemoveError::Unknown { name, library: library_dir.to_owned() },
        });
    }
    writeln!(out, "Removed policy {name}. Its containers keep their addresses, and their DEL works without it.")?;
    Ok(())
}
