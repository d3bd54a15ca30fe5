//! What an object must not change: the range and the block size by which nodes have claimed blocks.
//!
//! No block is claimed by another range. A configuration that has one would take the place of the one by which this node's agent
//! reconciles: pods would get no addresses when the blocks of the node are full.

use std::path::Path;

use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Grid;
use serde::Deserialize;
use serde_json::Value;

use crate::facts::configured;
use crate::networks::Network;

/// # Errors
/// [`ClusterError::OtherGrids`]. What else is wrong with the configuration is found where it is used.
pub(super) fn require_agreed(object: &Value, network: &Network, library: &Path) -> Result<(), ClusterError> {
    let Ok(theirs) = Vec::<Grid>::deserialize(&object["spec"]["grids"]) else { return Ok(()) };
    match grids(network, library) {
        Some(ours) if !theirs.is_empty() && ours != theirs => Err(ClusterError::OtherGrids { theirs, ours }),
        _ => Ok(()),
    }
}

/// How the configuration's policy divides its range; none if it cannot.
fn grids(network: &Network, library: &Path) -> Option<Vec<Grid>> {
    let configured = configured(network, library).ok()?;
    let addresses = configured.addresses().ok()??;
    let (settings, policy) = (addresses.settings(), addresses.load().ok()?);
    let context = settings.context(&network.name);
    let dividing = ClusterPolicy::new(policy, settings, &context, &mut Vec::new()).ok()?;
    Some(dividing.grids().to_vec())
}
