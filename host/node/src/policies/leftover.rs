//! Reports of an earlier agent on policies that are no more. Where there are policies, reports are kept up to date anyway.

use std::time::Instant;

use gingham_kubernetes::{ApiError, Patch, Resource, Selection};
use serde_json::{Value, json};

use super::CALL_TIMEOUT;
use crate::kubernetes::Kubernetes;

/// Of any version: what the API server has in its cache will do.
const CACHED: &str = "0";

/// Members are not watched where there is no policy, so they are listed once. An earlier agent wrote its reports to each of the
/// node's memberships, also to that of a network that the node has no configuration of now.
pub(super) fn remove(Kubernetes { api, node, .. }: &Kubernetes) -> Result<(), Box<ApiError>> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    let members = api.list_since(&Resource::members(), &Selection::default(), CACHED, deadline)?;
    for member in members.items.iter().filter(|member| member["spec"]["node"] == *node && has_reports(member)) {
        let Some(name) = member["metadata"]["name"].as_str() else { continue };
        let patch = json!({"status": {"policies": null}});
        api.patch(&Resource::members(), (name, Some("status")), (Patch::Merge, &patch), deadline)?;
    }
    Ok(())
}

fn has_reports(member: &Value) -> bool {
    member["status"]["policies"].as_array().is_some_and(|reports| !reports.is_empty())
}
