//! `ginghamctl policy verify`

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::Digest;
use gingham_registry::acquisition::read_signature;
use gingham_registry::signature::{KeyError, PublicKey, SignatureError, Signer, verify_file, verify_reference};
use gingham_registry::trust::{self, TRUST_FILE, Trust, TrustError, Verdict};
use gingham_registry::{Reference, ReferenceError, Registry, RegistryError};
use gingham_untrusted::file::{self, FileError};
use serde::Serialize;

use super::acquisition::{Place, access, read_trust};
use super::source::{self, SourceError};
use crate::cli::VerifyArguments;
use crate::output::Output;

const LARGEST_KEY: u64 = 64 << 10;

/// Why no signature was found good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VerifyError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("no key to verify with: pass --key, or list keys in {TRUST_FILE}")]
    NoKeys,
    #[error("cannot read the key {key}: {source}")]
    ReadKey { key: String, source: FileError },
    #[error("key {key}: {source}")]
    Key { key: String, source: KeyError },
    #[error("{verified}: {source}")]
    Signature { verified: String, source: SignatureError },
    #[error("{verified} is not signed by a listed key; the trust file does not require it")]
    NotRequired { verified: String },
    #[error("{} is a directory; verify the component that was built from it", path.display())]
    Directory { path: PathBuf },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Verified {
    verified: String,
    digest: Option<String>,
    signer: SignerJson,
}

#[derive(Serialize)]
struct SignerJson {
    fingerprint: String,
    comment: String,
}

/// Where keys come from.
enum Keys {
    Given(Vec<PublicKey>),
    Listed(Trust),
}

pub(super) fn run(arguments: &VerifyArguments, out: &mut Output) -> Result<(), VerifyError> {
    let keys = keys(arguments)?;
    let (verified, digest, signer) = match Place::of(&arguments.policy)? {
        Place::Path(path) => of_file(&path, &keys)?,
        Place::Registry(reference) => of_reference(&reference, &keys, arguments)?,
    };
    if arguments.format.json {
        let Signer { fingerprint, comment } = signer;
        return Ok(out.json(&Verified { verified, digest, signer: SignerJson { fingerprint, comment } })?);
    }
    Ok(writeln!(out, "Verified {verified}: signed by {signer}")?)
}

fn keys(arguments: &VerifyArguments) -> Result<Keys, VerifyError> {
    if arguments.keys.is_empty() {
        return read_trust(&arguments.trust)?.map(Keys::Listed).ok_or(VerifyError::NoKeys);
    }
    arguments.keys.iter().map(|key| read_key(key)).collect::<Result<_, _>>().map(Keys::Given)
}

fn read_key(key: &str) -> Result<PublicKey, VerifyError> {
    let fault = |source| VerifyError::Key { key: key.to_owned(), source };
    if PublicKey::is_inline(key) {
        return PublicKey::parse(key, "").map_err(fault);
    }
    let text = file::read_text(Path::new(key), LARGEST_KEY);
    let text = text.map_err(|source| VerifyError::ReadKey { key: key.to_owned(), source })?;
    let name = Path::new(key).file_name().unwrap_or_default().to_string_lossy();
    PublicKey::parse(&text, &name).map_err(fault)
}

type Found = (String, Option<String>, Signer);

fn of_file(path: &Path, keys: &Keys) -> Result<Found, VerifyError> {
    if path.is_dir() {
        return Err(VerifyError::Directory { path: path.to_owned() });
    }
    let bytes = source::read_bounded(path)?;
    let signature = read_signature(path)?;
    let verify = |keys: &[PublicKey]| verify_file(&bytes, signature.as_deref(), keys);
    let verified = path.display().to_string();
    let signer = match keys {
        Keys::Given(keys) => given(verify(keys), &verified)?,
        Keys::Listed(trust) => {
            listed(trust.check(trust::Origin::File(path), |rule| Ok(verify(&rule.keys)))?, &verified)?
        }
    };
    Ok((verified, Some(Digest::of(&bytes).to_string()), signer))
}

fn of_reference(reference: &Reference, keys: &Keys, arguments: &VerifyArguments) -> Result<Found, VerifyError> {
    let registry = Registry::new(&access(&arguments.registry))?;
    let manifest = registry.resolve(reference)?;
    let verified = format!("{}@{manifest}", reference.identity());
    let verify = |keys: &[PublicKey]| {
        let attached = registry.signatures(reference, &manifest)?;
        Ok(verify_reference(&attached, reference, &manifest, keys))
    };
    let signer = match keys {
        Keys::Given(keys) => given(verify(keys).map_err(|error: TrustError| error)?, &verified)?,
        Keys::Listed(trust) => {
            listed(trust.check(trust::Origin::Reference(reference), |rule| verify(&rule.keys))?, &verified)?
        }
    };
    Ok((verified, None, signer))
}

fn given(result: Result<Signer, SignatureError>, verified: &str) -> Result<Signer, VerifyError> {
    result.map_err(|source| VerifyError::Signature { verified: verified.to_owned(), source })
}

fn listed(verdict: Verdict, verified: &str) -> Result<Signer, VerifyError> {
    let verified = verified.to_owned();
    match verdict {
        Verdict::SignedBy(signer) => Ok(signer),
        Verdict::Unsigned { because: Some(source) } => Err(VerifyError::Signature { verified, source }),
        Verdict::Unsigned { because: None } => Err(VerifyError::NotRequired { verified }),
    }
}
