//! `ginghamctl policy build`

use std::path::{Path, PathBuf};
use std::{fs, io};

use gingham_engine::library::Digest;
use gingham_languages::{BuildError, DebugInformation};
use serde::Serialize;

use super::messages;
use crate::cli::BuildArguments;
use crate::output::Output;
use crate::table::size;

/// Why no component was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildPolicyError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Written<'a> {
    name: String,
    path: &'a Path,
    size: u64,
    digest: String,
}

pub(super) fn run(arguments: &BuildArguments, out: &mut Output) -> Result<(), BuildPolicyError> {
    let debug = if arguments.lines { DebugInformation::Lines } else { DebugInformation::Names };
    let built = gingham_languages::build_with(&arguments.dir, debug, &mut messages::show())?;
    let path = arguments.output.clone().unwrap_or_else(|| arguments.dir.join(format!("{}.wasm", built.name)));
    fs::write(&path, &built.component).map_err(|source| BuildPolicyError::Write { path: path.clone(), source })?;
    let digest = Digest::of(&built.component).to_string();
    let written = Written { name: built.name, path: &path, size: built.component.len() as u64, digest };
    if arguments.format.json {
        return Ok(out.json(&written)?);
    }
    writeln!(out, "Built policy {}", written.name)?;
    writeln!(out, "  at       {} ({})", path.display(), size(written.size))?;
    writeln!(out, "  digest   {}", written.digest)?;
    Ok(())
}
