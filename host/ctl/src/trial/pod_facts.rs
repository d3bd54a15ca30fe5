//! What a policy gets to know of the trial's pods: in place of the node agent, which learns it from Kubernetes.

use std::path::Path;

use gingham_engine::attachment::Labels;
use gingham_engine::facts::{Facts, KnownPod};
use gingham_engine::store::Store;

use super::steps::CONTAINERS;
use crate::cli::TryArguments;
use crate::clock;
use crate::lease_store::{self, LeaseStoreError};

/// Writes the labels and annotations of the command line into the trial's lease store, where the plugin reads them.
pub(super) fn write(arguments: &TryArguments, data_dir: &Path) -> Result<(), LeaseStoreError> {
    let known = |pairs: &[(String, String)]| (!pairs.is_empty()).then(|| pairs.iter().cloned().collect::<Labels>());
    let (labels, annotations) = (known(&arguments.labels), known(&arguments.annotations));
    if labels.is_none() && annotations.is_none() {
        return Ok(());
    }
    let pod = KnownPod { observed_at: clock::now(), labels, annotations, ..KnownPod::default() };
    let named = |name: &str| ((arguments.pod_namespace.clone(), name.to_owned()), pod.clone());
    let facts = Facts { pods: CONTAINERS.map(named).into(), ..Facts::default() };
    Store::open(data_dir, &lease_store::boot_id()?, clock::now())?.keep_facts(&facts)?;
    Ok(())
}
