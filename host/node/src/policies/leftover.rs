//! Reports of an earlier agent on policies that are no more. Where there are policies, reports are kept up to date anyway.

use std::time::Instant;

use gingham_kubernetes::{ApiError, Patch, Resource, member_name};
use serde_json::{Value, json};

use super::CALL_TIMEOUT;
use crate::facts::Places;
use crate::kubernetes::Kubernetes;

/// Members are not watched where there is no policy, so each of this node's is read once.
pub(super) fn remove(kubernetes: &Kubernetes, places: &Places) -> Result<(), Box<ApiError>> {
    for network in places.networks().all() {
        let name = member_name(&network.name, &kubernetes.node);
        let deadline = Instant::now() + CALL_TIMEOUT;
        let member = kubernetes.api.get(&Resource::members(), &name, deadline)?.unwrap_or_default();
        if member["status"]["policies"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        let (patch, place): (Value, _) = (json!({"status": {"policies": null}}), (&*name, Some("status")));
        kubernetes.api.patch(&Resource::members(), place, (Patch::Merge, &patch), deadline)?;
    }
    Ok(())
}
