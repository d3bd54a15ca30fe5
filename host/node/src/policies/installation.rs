//! From an object to a policy that this node can allocate with, and back.

use std::sync::{Mutex, PoisonError};

use gingham_engine::clock;
use gingham_engine::library::{Digest, Installed, Library, LibraryError, Provenance, artefact_key};
use gingham_engine::runtime::{LoadError, Policy, Runtime};
use gingham_network::dry_run::Refusal;
use gingham_network::error::NetworkError;
use gingham_network::plan;
use gingham_registry::Access;

use super::compilation::{self, CompilationError};
use super::fetch::{FetchError, fetch};
use super::object::AllocationPolicy;
use super::report::Reports;
use super::turn::{Found, MOST_COMPILATIONS, STOPPED};
use crate::facts::{Places, configured};

#[derive(Debug, thiserror::Error)]
pub(super) enum InstallationError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Compilation(#[from] CompilationError),
    #[error(transparent)]
    Load(LoadError),
    #[error(
        "the machine code has digest {own} here and {other} on node {node}, of the same component and compiler: one of these nodes is not \
         what it seems; examine them"
    )]
    OtherArtefact { own: Digest, other: String, node: String },
    #[error("{name} is the name of a built-in policy, or the plugin's own; create the object under another name")]
    Reserved { name: String },
    #[error("network {network} cannot use it: {source}")]
    Configuration { network: String, source: NetworkError },
    /// In the policy's words.
    #[error(
        "network {network}: a request of {pod} is granted now, and by this digest it would be refused: {reason}; nothing was changed; \
         run ginghamctl policy test on the component, and apply the digest of a corrected one"
    )]
    Refuses { network: String, pod: String, reason: String },
    #[error(transparent)]
    Library(#[from] LibraryError),
}

impl InstallationError {
    /// For programs.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Fetch(error) => error.reason(),
            Self::Compilation(error) if error.is_of_amount() => STOPPED,
            Self::Compilation(error) if !error.is_of_component() => "CompilerFailed",
            Self::Compilation(_) | Self::Load(_) => "CompileFailed",
            Self::OtherArtefact { .. } => "ArtefactDiffers",
            Self::Reserved { .. } | Self::Library(_) => "InstallFailed",
            Self::Configuration { .. } => "ConfigurationRefused",
            Self::Refuses { .. } => "RequestsRefused",
        }
    }

    /// `tries`: how often the object's present state was tried.
    pub(super) fn sentence(&self, tries: u32) -> String {
        match self {
            Self::Compilation(error) if error.is_of_amount() && tries >= MOST_COMPILATIONS => format!(
                "{error}; this was tried {tries} times and is not tried again: apply the digest of a smaller component, or write the \
                 object again"
            ),
            Self::Compilation(error) if error.is_of_amount() => {
                format!("{error}; try {tries} of {MOST_COMPILATIONS}, the next one follows in some minutes")
            }
            error => error.to_string(),
        }
    }

    /// Whether no other node is to try it.
    pub(super) fn halts(&self) -> bool {
        matches!(self, Self::Refuses { .. })
    }
}

/// What the policy's name stands for on this node.
pub(super) fn found(name: &str, places: &Places) -> Option<Found> {
    let library = Library::open(&places.library).ok()?;
    let digest = library.find(name).ok().flatten()?.digest;
    let loads = Runtime::new().is_ok_and(|runtime| library.load_compiled(&runtime, name, &digest).is_ok());
    let artefact = if loads { library.compiled_digest(&digest).ok().flatten() } else { None };
    Some(Found { digest, artefact })
}

/// After a policy was fetched: a compiler may take gigabytes, and two objects may bring one component, and write the
/// same files.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Installs it. What fails leaves the node as it was.
pub(super) fn install(
    policy: &AllocationPolicy,
    reports: &Reports,
    places: &Places,
    access: &Access,
) -> Result<(), InstallationError> {
    let name = policy.installed_name();
    if plan::is_reserved(&name) {
        return Err(InstallationError::Reserved { name });
    }
    let fetched = fetch(policy, access)?;
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let digest = policy.spec.digest.clone();
    let size = fetched.component.len() as u64;
    let artefact = compilation::compile(fetched.component.clone(), &digest)?;
    require_same_artefact(reports, &digest, &Digest::of(&artefact))?;
    let mut library = Library::open(&places.library)?;
    // Without a name yet: no ADD uses it.
    library.store_compiled(&digest, &artefact)?;
    let runtime = Runtime::new().map_err(InstallationError::Load)?;
    let loaded = library.load_compiled(&runtime, &name, &digest)?;
    require_accepted(&name, &loaded, places)?;
    require_granting(&name, &loaded, places)?;
    let installed = Installed { digest, size, has_release: loaded.has_release(), installed_at: clock::now() };
    Ok(library.install_compiled(&name, &fetched.component, &installed, &fetched.provenance)?)
}

/// Lets the name stand for what it stood for before. A node whose old digest is gone keeps the new one.
pub(super) fn restore(name: &str, digest: &str, places: &Places) -> Result<bool, InstallationError> {
    let Some(digest) = Digest::parse(digest) else { return Ok(false) };
    let mut library = Library::open(&places.library)?;
    let Some(component) = library.component(&digest)? else { return Ok(false) };
    let runtime = Runtime::new().map_err(InstallationError::Load)?;
    let loaded = library.load_compiled(&runtime, name, &digest)?;
    let size = component.len() as u64;
    let installed = Installed { digest, size, has_release: loaded.has_release(), installed_at: clock::now() };
    library.record(name, &installed, &Provenance::default())?;
    Ok(true)
}

/// The same compiler makes the same machine code of the same component on every node.
fn require_same_artefact(reports: &Reports, component: &Digest, own: &Digest) -> Result<(), InstallationError> {
    let (component, compiler, own_text) = (component.to_string(), artefact_key(), own.to_string());
    let of_this = reports.iter().filter_map(|(node, report)| {
        let report = report.as_ref().filter(|report| report.compiler == compiler)?;
        let artefact = report.artefact.as_ref().filter(|_| report.digest.as_ref() == Some(&component))?;
        Some((node, artefact))
    });
    match of_this.into_iter().find(|(_, artefact)| **artefact != own_text) {
        Some((node, other)) => {
            Err(InstallationError::OtherArtefact { own: own.clone(), other: other.clone(), node: node.clone() })
        }
        None => Ok(()),
    }
}

/// A node is on the old policy or on the new one, never on one that refuses its configuration.
fn require_accepted(name: &str, policy: &Policy, places: &Places) -> Result<(), InstallationError> {
    let found = places.networks();
    for network in found.all() {
        // One that is wrong with the policy of today is no reason to keep it.
        let Ok(configured) = configured(network, &places.library) else { continue };
        configured
            .would_accept(name, policy)
            .map_err(|source| InstallationError::Configuration { network: network.name.clone(), source })?;
    }
    Ok(())
}

/// A policy that refuses everybody would do no harm that counters show until pods come.
fn require_granting(name: &str, policy: &Policy, places: &Places) -> Result<(), InstallationError> {
    let found = places.networks();
    for network in found.all() {
        // Without a present version, or with one that cannot be asked, there is nothing to compare with.
        let refused = configured(network, &places.library).and_then(|configured| configured.refused_by(name, policy));
        let Ok(Some(Refusal { pod, reason })) = refused else { continue };
        let pod = match (&pod.namespace, &pod.name) {
            (Some(namespace), Some(name)) => format!("pod {namespace}/{name}"),
            _ => "a pod of which nothing is known".to_owned(),
        };
        return Err(InstallationError::Refuses { network: network.name.clone(), pod, reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::report::Report;
    use super::*;

    #[test]
    fn another_artefact_of_the_same_component_and_compiler_is_refused() {
        let (component, own) = (Digest::of(b"component"), Digest::of(b"code"));
        let check = |artefact: &[u8], compiler: &str, digest: &Digest| {
            let report = Report {
                digest: Some(digest.to_string()),
                artefact: Some(Digest::of(artefact).to_string()),
                compiler: compiler.to_owned(),
                ..Report::default()
            };
            let reports = Reports::from([("node-0".to_owned(), None), ("node-1".to_owned(), Some(report))]);
            require_same_artefact(&reports, &component, &own)
        };
        let key = artefact_key();
        assert!(check(b"code", &key, &component).is_ok());
        assert_eq!(check(b"other", &key, &component).unwrap_err().reason(), "ArtefactDiffers");
        assert!(check(b"other", "another-processor", &component).is_ok());
        assert!(check(b"other", &key, &own).is_ok(), "it is of another component");
    }
}
