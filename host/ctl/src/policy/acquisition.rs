//! Where a policy is: a file, a directory to build, or a registry; and whether this node trusts it.

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::library::{Provenance, Signer};
use gingham_registry::signature::{self, SignatureError, verify_file, verify_reference};
use gingham_registry::trust::{self, TRUST_FILE, Trust, TrustError, Verdict};
use gingham_registry::{Access, Reference, ReferenceError, Registry, RegistryError};
use gingham_untrusted::file::{self, FileError};

use super::source::{self, Source, SourceError};
use crate::cli::{RegistryArguments, TrustArguments};

/// Much more than a signature has.
const LARGEST_SIGNATURE: u64 = 64 << 10;

/// What an argument names.
pub(super) enum Place {
    Path(PathBuf),
    Registry(Reference),
}

/// A policy that may be installed.
pub(super) struct Acquired {
    pub(super) source: Source,
    pub(super) provenance: Provenance,
    /// Why no signature counted, where none is required.
    pub(super) unsigned: Option<SignatureError>,
}

/// Why there is no policy to install.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcquisitionError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Place {
    /// A file that exists is meant, whatever it is called; `oci://` always means a registry.
    pub(super) fn of(argument: &Path) -> Result<Self, ReferenceError> {
        let text = argument.to_str().unwrap_or_default();
        let is_reference = Reference::is_marked(text) || (Reference::is_likely(text) && !argument.exists());
        if is_reference { Reference::parse(text).map(Self::Registry) } else { Ok(Self::Path(argument.to_owned())) }
    }
}

/// Reads or pulls a policy, and checks what the trust file requires of it. The file is read first: with a fault in it,
/// nothing is done at all.
pub(super) fn acquire(
    argument: &Path,
    trust: &TrustArguments,
    registry: &RegistryArguments,
) -> Result<Acquired, AcquisitionError> {
    let trust = read_trust(trust)?;
    match Place::of(argument)? {
        Place::Path(path) => from_path(&path, trust.as_ref()),
        Place::Registry(reference) => from_registry(&reference, trust.as_ref(), &access(registry)),
    }
}

pub(super) fn access(arguments: &RegistryArguments) -> Access {
    Access { ca: arguments.ca.clone(), plain_http: arguments.plain_http, timeout: arguments.timeout }
}

/// A file that the command line names must be there.
pub(super) fn read_trust(arguments: &TrustArguments) -> Result<Option<Trust>, TrustError> {
    let Some(path) = &arguments.trust else { return Trust::read(Path::new(TRUST_FILE)) };
    let missing = || FileError::Io(rustix::io::Errno::NOENT.into());
    Trust::read(path)?
        .map_or_else(|| Err(TrustError::Read { path: path.clone(), source: missing() }), |trust| Ok(Some(trust)))
}

fn from_path(path: &Path, trust: Option<&Trust>) -> Result<Acquired, AcquisitionError> {
    // What is verified is what is installed: the file is read once. A directory has no signature, and is not even built
    // where one is required.
    let bytes = if path.is_dir() { None } else { Some(source::read_bounded(path)?) };
    let verdict = trust.map(|trust| {
        trust.check(trust::Origin::File(path), |rule| {
            let signature = if bytes.is_some() { read_signature(path)? } else { None };
            Ok(verify_file(bytes.as_deref().unwrap_or_default(), signature.as_deref(), &rule.keys))
        })
    });
    let verdict = verdict.transpose()?;
    let source = match bytes {
        Some(bytes) => Source::of_bytes(bytes, path)?,
        None => Source::read(path)?,
    };
    Ok(acquired(source, Provenance::default(), verdict))
}

fn from_registry(reference: &Reference, trust: Option<&Trust>, access: &Access) -> Result<Acquired, AcquisitionError> {
    let registry = Registry::new(access)?;
    let pulled = registry.pull(reference, source::LARGEST)?;
    let verdict = trust.map(|trust| {
        trust.check(trust::Origin::Reference(reference), |rule| {
            let attached = registry.signatures(reference, &pulled.manifest)?;
            Ok(verify_reference(&attached, reference, &pulled.manifest, &rule.keys))
        })
    });
    let verdict = verdict.transpose()?;
    let source = Source::of_bytes(pulled.component, Path::new(&format!("{}.wasm", reference.name())))?;
    let provenance =
        Provenance { reference: Some(reference.to_string()), manifest: Some(pulled.manifest), signer: None };
    Ok(acquired(source, provenance, verdict))
}

fn acquired(source: Source, provenance: Provenance, verdict: Option<Verdict>) -> Acquired {
    match verdict {
        Some(Verdict::SignedBy(signature::Signer { fingerprint, comment })) => {
            let signer = Some(Signer { fingerprint, comment });
            Acquired { source, provenance: Provenance { signer, ..provenance }, unsigned: None }
        }
        Some(Verdict::Unsigned { because }) => Acquired { source, provenance, unsigned: because },
        None => Acquired { source, provenance, unsigned: None },
    }
}

/// Beside the file: `FILE.sig`.
pub(super) fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

pub(super) fn read_signature(path: &Path) -> Result<Option<Vec<u8>>, TrustError> {
    let path = signature_path(path);
    match file::read(&path, LARGEST_SIGNATURE) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TrustError::Signature { path, source }),
    }
}
