//! `ginghamctl policy sign`

use std::io;
use std::path::{Path, PathBuf};

use gingham_registry::acquisition::signature_path;
use gingham_registry::signature::{SigningError, SigningKey};
use gingham_registry::{Reference, ReferenceError, Registry, RegistryError};
use serde::Serialize;

use super::acquisition::{Place, access};
use super::source::{self, SourceError};
use super::whole_file;
use crate::cli::SignArguments;
use crate::output::Output;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("{} is a directory; sign the component that was built from it", path.display())]
    Directory { path: PathBuf },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Signed {
    signed: String,
    signature: String,
    signer: Option<String>,
}

pub(super) fn run(arguments: &SignArguments, out: &mut Output) -> Result<(), SignError> {
    let key = SigningKey::read(&arguments.key)?;
    let (signed, signature) = match Place::of(&arguments.policy)? {
        Place::Path(path) => (path.display().to_string(), sign_file(&path, &key)?),
        Place::Registry(reference) => sign_reference(&reference, &key, arguments)?,
    };
    let signed = Signed { signed, signature, signer: key.signer().map(|signer| signer.fingerprint) };
    if arguments.format.json {
        return Ok(out.json(&signed)?);
    }
    writeln!(out, "Signed {}: {}", signed.signed, signed.signature)?;
    if let Some(signer) = &signed.signer {
        writeln!(out, "  key  {signer}")?;
    }
    Ok(())
}

fn sign_file(path: &Path, key: &SigningKey) -> Result<String, SignError> {
    if path.is_dir() {
        return Err(SignError::Directory { path: path.to_owned() });
    }
    let signature = key.sign_file(&source::read_bounded(path)?)?;
    let beside = signature_path(path);
    whole_file::write(&beside, &signature, true).map_err(|source| SignError::Write { path: beside.clone(), source })?;
    Ok(beside.display().to_string())
}

fn sign_reference(
    reference: &Reference,
    key: &SigningKey,
    arguments: &SignArguments,
) -> Result<(String, String), SignError> {
    let registry = Registry::new(&access(&arguments.registry))?;
    let manifest = registry.resolve(reference)?;
    registry.attach(reference, &manifest, key.sign_reference(reference, &manifest)?)?;
    let place = format!("{}:sha256-{}.sig", reference.identity(), manifest.hex());
    Ok((format!("{}@{manifest}", reference.identity()), place))
}
