//! `ginghamctl policy wit`

use std::path::PathBuf;
use std::{fs, io};

use gingham_languages::contract;

use crate::cli::WitArguments;
use crate::output::Output;

/// Why the contract was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitError {
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(arguments: &WitArguments, out: &mut Output) -> Result<(), WitError> {
    let Some(directory) = &arguments.out else {
        for (name, text) in contract::files() {
            out.script(&format!("// {name}\n{text}\n"))?;
        }
        return Ok(());
    };
    let failed = |path: PathBuf| |source| WitError::Write { path, source };
    fs::create_dir_all(directory).map_err(failed(directory.clone()))?;
    for (name, text) in contract::files() {
        let path = directory.join(name);
        fs::write(&path, text).map_err(failed(path.clone()))?;
    }
    writeln!(out, "Wrote {} files to {}", contract::files().len(), directory.display())?;
    Ok(())
}
