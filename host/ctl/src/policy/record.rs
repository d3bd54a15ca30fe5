//! `ginghamctl policy record`: the history of a network, as the node keeps it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use gingham_engine::history::{HistoryFile, WriteError};

use crate::cli::RecordArguments;
use crate::output::Output;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error(
        "network {network} has no history in {}: set `\"record\": true` in its `ipam`; the next ADD begins one", directory.display()
    )]
    None { network: String, directory: PathBuf },
    #[error(transparent)]
    Read(#[from] WriteError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(arguments: &RecordArguments, out: &mut Output) -> Result<(), RecordError> {
    let RecordArguments { network, data_dir, .. } = arguments;
    let none = || RecordError::None { network: network.clone(), directory: data_dir.clone() };
    // A name with a slash is no network's, and would be another file.
    let history = if network.contains('/') { None } else { HistoryFile::new(data_dir, network).read()? };
    let history = history.ok_or_else(none)?;
    let Some(path) = &arguments.out else { return Ok(out.json_lines(&history)?) };
    let fault = |source| RecordError::Write { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(fault)?;
    file.write_all(history.as_bytes()).map_err(fault)?;
    let count = history.lines().count();
    Ok(writeln!(out, "{count} lines of network {network} written to {}", path.display())?)
}
