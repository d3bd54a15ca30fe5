//! `ginghamctl policy pull`

use std::io;
use std::path::PathBuf;

use gingham_engine::library::Digest;
use gingham_registry::{Reference, ReferenceError, Registry, RegistryError};
use serde::Serialize;

use super::acquisition::access;
use super::source::LARGEST;
use super::whole_file;
use crate::cli::PullArguments;
use crate::output::Output;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{} exists already; choose another file with -o, or name this one to replace it", path.display())]
    Exists { path: PathBuf },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Pulled {
    reference: String,
    manifest: String,
    digest: String,
    file: String,
}

pub(super) fn run(arguments: &PullArguments, out: &mut Output) -> Result<(), PullError> {
    let reference = Reference::parse(&arguments.reference)?;
    let default = PathBuf::from(format!("{}.wasm", reference.name()));
    let path = arguments.output.as_ref().unwrap_or(&default);
    let replace = arguments.output.is_some();
    if !replace && path.exists() {
        return Err(PullError::Exists { path: path.clone() });
    }
    let pulled = Registry::new(&access(&arguments.registry))?.pull(&reference, LARGEST)?;
    whole_file::write(path, &pulled.component, replace).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => PullError::Exists { path: path.clone() },
        _ => PullError::Write { path: path.clone(), source },
    })?;
    let shown = Pulled {
        reference: reference.to_string(),
        manifest: pulled.manifest.to_string(),
        digest: Digest::of(&pulled.component).to_string(),
        file: path.display().to_string(),
    };
    if arguments.format.json {
        return Ok(out.json(&shown)?);
    }
    writeln!(out, "Pulled {} to {}", shown.reference, shown.file)?;
    writeln!(out, "  manifest  {}", shown.manifest)?;
    writeln!(out, "  policy    {}", shown.digest)?;
    Ok(())
}
