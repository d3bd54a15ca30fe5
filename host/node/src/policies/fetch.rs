//! From an object's source to a component that this node may install: its digest is the object's, and the node's trust file
//! permits it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gingham_engine::library::{Digest, Provenance};
use gingham_registry::acquisition::{check_content, provenance, pull_checked, read_signature};
use gingham_registry::trust::{Origin, TRUST_FILE, Trust, TrustError};
use gingham_registry::{Access, Reference, ReferenceError, RegistryError};
use gingham_untrusted::file::{self, FileError};

use super::object::AllocationPolicy;

/// Five times a policy with a JavaScript engine inside, in bytes.
const LARGEST: u64 = 64 << 20;

/// How a file begins that is WebAssembly and no component.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("spec.source.inline is not base64: {0}; write it with base64 --wrap=0 FILE")]
    Inline(base64::DecodeError),
    #[error("cannot read {}: {source}; put the file there on each node, or mount the volume in the agent's container", path.display())]
    Volume { path: PathBuf, source: FileError },
    #[error("spec.source.image: {0}")]
    Reference(#[from] ReferenceError),
    #[error("cannot pull {reference}: {source}")]
    Registry { reference: String, source: Box<RegistryError> },
    #[error("spec.source names nothing; set inline, image or volume")]
    NoSource,
    /// What `cargo build` writes. The tools that make a component of it print the component's digest, which this file does not have.
    #[error(
        "this is a core module, as cargo build writes it, and not a component: use the file and the digest of ginghamctl policy build"
    )]
    CoreModule,
    #[error(
        "the component has digest {actual}, not {wanted} as spec.digest requires: correct the one that is wrong, \
         ginghamctl policy inspect prints a component's digest"
    )]
    OtherDigest { actual: Digest, wanted: Digest },
    #[error("this node does not trust it: {0}")]
    Untrusted(Box<TrustError>),
}

impl FetchError {
    /// For programs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Inline(_)
            | Self::Volume { .. }
            | Self::Reference(_)
            | Self::Registry { .. }
            | Self::NoSource
            | Self::CoreModule => "FetchFailed",
            Self::OtherDigest { .. } => "DigestDiffers",
            Self::Untrusted(_) => "Untrusted",
        }
    }
}

#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) component: Vec<u8>,
    pub(super) provenance: Provenance,
}

/// The trust file is read first: with a fault in it, nothing is fetched at all.
pub(super) fn fetch(policy: &AllocationPolicy, access: &Access) -> Result<Fetched, FetchError> {
    let untrusted = |error: TrustError| FetchError::Untrusted(Box::new(error));
    let trust = Trust::read(Path::new(TRUST_FILE)).map_err(untrusted)?;
    let (source, wanted) = (&policy.spec.source, &policy.spec.digest);
    match (&source.inline, &source.volume, &source.image) {
        (Some(text), ..) => {
            let component = STANDARD.decode(text.trim()).map_err(FetchError::Inline)?;
            require_digest(&component, wanted)?;
            let name = format!("AllocationPolicy {}", policy.name());
            let signature = || Ok(source.signature.as_ref().map(|text| text.clone().into_bytes()));
            let verdict = check_content(Origin::Object(&name), &component, trust.as_ref(), signature);
            Ok(Fetched { component, provenance: provenance(None, verdict.map_err(untrusted)?.as_ref()) })
        }
        (None, Some(path), _) => {
            let path = Path::new(path);
            let volume = |source| FetchError::Volume { path: path.to_owned(), source };
            let component = file::read(path, LARGEST).map_err(volume)?;
            require_digest(&component, wanted)?;
            let verdict = check_content(Origin::File(path), &component, trust.as_ref(), || read_signature(path));
            Ok(Fetched { component, provenance: provenance(None, verdict.map_err(untrusted)?.as_ref()) })
        }
        (None, None, Some(text)) => {
            let reference = Reference::parse(text)?;
            let (pulled, verdict) =
                pull_checked(&reference, LARGEST, trust.as_ref(), access).map_err(|error| match error {
                    TrustError::Registry(source) => {
                        FetchError::Registry { reference: text.clone(), source: Box::new(source) }
                    }
                    other => untrusted(other),
                })?;
            require_digest(&pulled.component, wanted)?;
            let provenance = provenance(Some((&reference, &pulled)), verdict.as_ref());
            Ok(Fetched { component: pulled.component, provenance })
        }
        (None, None, None) => Err(FetchError::NoSource),
    }
}

fn require_digest(component: &[u8], wanted: &Digest) -> Result<(), FetchError> {
    if component.starts_with(CORE_MODULE) {
        return Err(FetchError::CoreModule);
    }
    let actual = Digest::of(component);
    if actual == *wanted { Ok(()) } else { Err(FetchError::OtherDigest { actual, wanted: wanted.clone() }) }
}
