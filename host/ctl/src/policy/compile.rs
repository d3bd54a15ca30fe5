//! `ginghamctl policy compile`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::compile::{CompileError, Compiler, check};
use gingham_engine::library::Digest;
use gingham_engine::runtime::LoadError;
use gingham_untrusted::file::{self, FileError};

use super::source::LARGEST;
use crate::cli::CompileArguments;
use crate::output::Output;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompilePolicyError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: FileError },
    #[error("{} has digest {actual}, not {pinned} as --digest requires; nothing was compiled", path.display())]
    OtherDigest { path: PathBuf, pinned: Digest, actual: Digest },
    #[error("{}: {source}", path.display())]
    Refused { path: PathBuf, source: CompileError },
    #[error(transparent)]
    Compiler(#[from] LoadError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

pub(super) fn run(arguments: &CompileArguments, out: &mut Output) -> Result<(), CompilePolicyError> {
    let path = &arguments.file;
    let component =
        file::read_argument(path, LARGEST).map_err(|source| CompilePolicyError::Read { path: path.clone(), source })?;
    let actual = Digest::of(&component);
    if let Some(pinned) = arguments.digest.clone().filter(|pinned| *pinned != actual) {
        return Err(CompilePolicyError::OtherDigest { path: path.clone(), pinned, actual });
    }
    let refused = |source| CompilePolicyError::Refused { path: path.clone(), source };
    check(&component).map_err(refused)?;
    let compiled = Compiler::new()?.compile(&component).map_err(refused)?;
    let to = &arguments.output;
    let written =
        if to == Path::new("-") { out.bytes(&compiled.artefact) } else { std::fs::write(to, &compiled.artefact) };
    written.map_err(|source| CompilePolicyError::Write { path: to.clone(), source })
}
