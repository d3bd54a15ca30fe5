//! Signatures with key pairs, verified without a network: of files by SSH keys or ECDSA keys, of artefacts in registries as
//! cosign attaches them.

pub(crate) mod attached;
mod ecdsa;
mod file;
mod key;
mod packed;
mod signing;
mod ssh;

use std::fmt;

pub use attached::{Attached, verify_reference};
pub use file::verify_file;
pub use key::{KeyError, PublicKey};
pub use signing::{SigningError, SigningKey};

/// What SSH signatures of policies are made for: one of a git commit by the same key proves nothing here.
pub const NAMESPACE: &str = "gingham-policy";

/// Whose signature was good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// `SHA256:` and the digest of the public key in base64, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
    /// Of the key, or its file's name.
    pub comment: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.comment.as_str() {
            "" => f.write_str(&self.fingerprint),
            comment => write!(f, "{comment} ({})", self.fingerprint),
        }
    }
}

/// Why no signature counts.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("it is not signed")]
    Missing,
    #[error("its signature is by the key {fingerprint}, which is not listed")]
    NotListed { fingerprint: String },
    #[error("its signature by {signer} does not fit: it was changed since, or the signature belongs to something else")]
    OtherContent { signer: Signer },
    #[error("none of its signatures ({count}) is by a listed key, or it was changed since")]
    NoneFits { count: usize },
    #[error(
        "its signature by {signer} is for namespace {namespace:?}; sign with `ginghamctl policy sign` or `ssh-keygen -Y sign -n {NAMESPACE}`"
    )]
    Namespace { signer: Signer, namespace: String },
    #[error("its signature by {signer} is for another artefact, {signed}")]
    OtherManifest { signer: Signer, signed: String },
    #[error("its signature by {signer} is for another reference, {signed}; sign it again under the new one")]
    OtherReference { signer: Signer, signed: String },
    #[error("its signature cannot be read: {reason}")]
    Malformed { reason: &'static str },
    #[error("artefacts in registries are verified with ECDSA P-256 keys, and none is listed")]
    NoEcdsaKey,
}
