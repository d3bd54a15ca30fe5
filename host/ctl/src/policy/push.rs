//! `ginghamctl policy push`

use std::io;
use std::path::PathBuf;

use gingham_engine::compile::{self, CompileError};
use gingham_engine::library::Digest;
use gingham_registry::{Component, Reference, ReferenceError, Registry, RegistryError};
use serde::Serialize;

use super::acquisition::access;
use super::source::{Source, SourceError};
use crate::cli::PushArguments;
use crate::output::Output;

/// Why nothing was pushed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{}: {source}", path.display())]
    Refused { path: PathBuf, source: CompileError },
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Pushed {
    reference: String,
    manifest: String,
    digest: String,
}

pub(super) fn run(arguments: &PushArguments, out: &mut Output) -> Result<(), PushError> {
    let reference = Reference::parse(&arguments.reference)?;
    let component = Source::read(&arguments.file)?.component;
    let refused = |source| PushError::Refused { path: arguments.file.clone(), source };
    let surface = compile::check(&component).map_err(refused)?.surface;
    let registry = Registry::new(&access(&arguments.registry))?;
    let component = Component { bytes: &component, exports: &surface.exports, imports: &surface.imports };
    let manifest = registry.push(&reference, &component)?;
    let pushed = Pushed {
        reference: reference.to_string(),
        manifest: manifest.to_string(),
        digest: Digest::of(component.bytes).to_string(),
    };
    if arguments.format.json {
        return Ok(out.json(&pushed)?);
    }
    writeln!(out, "Pushed {}", pushed.reference)?;
    writeln!(out, "  manifest  {}  (pin it with REF@sha256:HEX)", pushed.manifest)?;
    writeln!(out, "  policy    {}  (pin it in a configuration, or with --digest)", pushed.digest)?;
    Ok(())
}
