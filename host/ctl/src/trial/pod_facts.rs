//! What a policy gets to know of the trial's pods: in place of the node agent, which learns it from Kubernetes.

use std::path::Path;

use gingham_engine::facts::Facts;
use gingham_engine::store::Store;

use super::pods::TrialPods;
use super::steps::CONTAINERS;
use crate::cli::TryArguments;
use crate::clock;
use crate::known_pod::known_pod;
use crate::lease_store::{self, LeaseStoreError};

/// Writes the labels and annotations of the command line into the trial's lease store, where the plugin reads them.
pub(super) fn write(arguments: &TryArguments, pods: &TrialPods<'_>, data_dir: &Path) -> Result<(), LeaseStoreError> {
    let Some(pod) = known_pod(&arguments.labels, &arguments.annotations) else { return Ok(()) };
    let named = |container: &str| ((pods.namespace.to_owned(), pods.name(container).to_owned()), pod.clone());
    let facts = Facts { pods: CONTAINERS.map(named).into(), ..Facts::default() };
    Store::open(data_dir, &lease_store::boot_id()?, clock::now())?.keep_facts(&facts)?;
    Ok(())
}
