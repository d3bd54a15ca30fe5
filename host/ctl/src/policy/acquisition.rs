//! Where a policy is: a file, a directory to build, or a registry; and whether this node trusts it.

use std::path::{Path, PathBuf};

use gingham_engine::library::Provenance;
use gingham_registry::acquisition::{check_content, provenance, pull_checked, read_signature};
use gingham_registry::signature::SignatureError;
use gingham_registry::trust::{Origin, TRUST_FILE, Trust, TrustError, Verdict};
use gingham_registry::{Access, Reference, ReferenceError};
use gingham_untrusted::file::FileError;

use super::source::{self, Source, SourceError};
use crate::cli::{RegistryArguments, TrustArguments};

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
    let signature = || if bytes.is_some() { read_signature(path) } else { Ok(None) };
    let verdict = check_content(Origin::File(path), bytes.as_deref().unwrap_or_default(), trust, signature)?;
    let source = match bytes {
        Some(bytes) => Source::of_bytes(bytes, path)?,
        None => Source::read(path)?,
    };
    Ok(acquired(source, provenance(None, verdict.as_ref()), verdict))
}

fn from_registry(reference: &Reference, trust: Option<&Trust>, access: &Access) -> Result<Acquired, AcquisitionError> {
    let (pulled, verdict) = pull_checked(reference, source::LARGEST, trust, access)?;
    let provenance = provenance(Some((reference, &pulled)), verdict.as_ref());
    let source = Source::of_bytes(pulled.component, Path::new(&format!("{}.wasm", reference.name())))?;
    Ok(acquired(source, provenance, verdict))
}

fn acquired(source: Source, provenance: Provenance, verdict: Option<Verdict>) -> Acquired {
    let unsigned = match verdict {
        Some(Verdict::Unsigned { because }) => because,
        Some(Verdict::SignedBy(_)) | None => None,
    };
    Acquired { source, provenance, unsigned }
}
