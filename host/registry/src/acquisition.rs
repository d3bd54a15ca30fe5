//! A component on its way to a node, and what the node's trust file says of it. The admin CLI and the node agent install nothing
//! that did not come through here.

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::{self, Provenance};
use gingham_untrusted::file::{self, FileError};

use crate::connection::Access;
use crate::reference::Reference;
use crate::registry::{Pulled, Registry};
use crate::signature::{verify_file, verify_reference};
use crate::trust::{Origin, Trust, TrustError, Verdict};

/// Much more than a signature has.
const LARGEST_SIGNATURE: u64 = 64 << 10;

/// Checks a component that is at hand. `signature` is asked only if a rule wants one.
///
/// # Errors
/// [`TrustError`]: it must not be installed.
pub fn check_content(
    origin: Origin<'_>,
    content: &[u8],
    trust: Option<&Trust>,
    signature: impl FnOnce() -> Result<Option<Vec<u8>>, TrustError>,
) -> Result<Option<Verdict>, TrustError> {
    let check =
        |trust: &Trust| trust.check(origin, |rule| Ok(verify_file(content, signature()?.as_deref(), &rule.keys)));
    trust.map(check).transpose()
}

/// Pulls a component of at most so many bytes, and checks it.
///
/// # Errors
/// [`TrustError`]: it cannot be pulled, or must not be installed.
pub fn pull_checked(
    reference: &Reference,
    limit: u64,
    trust: Option<&Trust>,
    access: &Access,
) -> Result<(Pulled, Option<Verdict>), TrustError> {
    let registry = Registry::new(access)?;
    let pulled = registry.pull(reference, limit)?;
    let check = |trust: &Trust| {
        trust.check(Origin::Reference(reference), |rule| {
            let attached = registry.signatures(reference, &pulled.manifest)?;
            Ok(verify_reference(&attached, reference, &pulled.manifest, &rule.keys))
        })
    };
    let verdict = trust.map(check).transpose()?;
    Ok((pulled, verdict))
}

/// Where a component came from, and whose signature was good.
pub fn provenance(from: Option<(&Reference, &Pulled)>, verdict: Option<&Verdict>) -> Provenance {
    let signer = match verdict {
        Some(Verdict::SignedBy(signer)) => {
            Some(library::Signer { fingerprint: signer.fingerprint.clone(), comment: signer.comment.clone() })
        }
        Some(Verdict::Unsigned { .. }) | None => None,
    };
    let (reference, manifest) =
        from.map(|(reference, pulled)| (reference.to_string(), pulled.manifest.clone())).unzip();
    Provenance { reference, manifest, signer }
}

/// Beside the file: `FILE.sig`.
pub fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// The signature beside a file, if there is one.
///
/// # Errors
/// [`TrustError::Signature`]
pub fn read_signature(path: &Path) -> Result<Option<Vec<u8>>, TrustError> {
    let path = signature_path(path);
    match file::read(&path, LARGEST_SIGNATURE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TrustError::Signature { path, source }),
    }
}
