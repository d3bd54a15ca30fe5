//! What the policy gets to know of the pod that `run` names: in place of the node agent, which learns it from Kubernetes.

use std::path::{Path, PathBuf};

use gingham_engine::boot_id::BootIdError;
use gingham_engine::facts::KnownPod;
use gingham_engine::store::{Store, StoreError};
use gingham_network::error::NetworkError;
use gingham_workbench::cases::PodName;

use crate::cli::RunArguments;
use crate::known_pod::known_pod;
use crate::network::{Configuration, Plugins, find_gingham};
use crate::output::print_error;
use crate::{clock, lease_store};

/// Why the policy cannot know it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodFactsError {
    #[error(
        "--label and --annotation: no policy of Gingham chooses the addresses of network {network}; leave them out"
    )]
    NoPolicy { network: String },
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Facts of a pod in the lease store. Afterwards it is known again what was known before.
pub(super) struct PodFacts<'a> {
    data_dir: PathBuf,
    pod: &'a PodName,
    before: Option<KnownPod>,
}

impl<'a> PodFacts<'a> {
    /// None where the command line states none.
    pub(super) fn write(
        arguments: &'a RunArguments,
        configuration: &Configuration,
        plugins: &Plugins,
        library: &Path,
    ) -> Result<Option<Self>, PodFactsError> {
        let known = known_pod(&arguments.labels, &arguments.annotations);
        let (Some(known), Some(pod)) = (known, &arguments.pod.pod) else { return Ok(None) };
        let network = || configuration.name.clone();
        let no_policy = || PodFactsError::NoPolicy { network: network() };
        let failed = |source| PodFactsError::Network { network: network(), source };
        let (_, found) = find_gingham(configuration, plugins, library, false).ok_or_else(no_policy)?;
        let found = found.map_err(failed)?;
        let addresses = found.addresses().map_err(failed)?.ok_or_else(no_policy)?;
        let data_dir = addresses.settings().data_dir.clone();
        let before = open(&data_dir)?.keep_pod((&pod.namespace, &pod.name), Some(&known))?;
        Ok(Some(Self { data_dir, pod, before }))
    }
}

impl Drop for PodFacts<'_> {
    fn drop(&mut self) {
        let PodName { namespace, name } = self.pod;
        let restored =
            open(&self.data_dir).and_then(|store| Ok(store.keep_pod((namespace, name), self.before.as_ref())?));
        if let Err(error) = restored {
            print_error(format_args!("labels of pod {namespace}/{name} stay in the lease store: {error}"));
        }
    }
}

fn open(data_dir: &Path) -> Result<Store, PodFactsError> {
    Ok(Store::open(data_dir, &lease_store::boot_id()?, clock::now())?)
}
