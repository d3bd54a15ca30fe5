//! Leases of containers that no longer exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use gingham_engine::clock;
use gingham_network::holdings::{Held, Holdings};
use gingham_network::stale_leases::{self, AddsPaused, WithReason};
use tracing::{info, warn};

use crate::cluster_calls::AgentError;

/// The stale leases that were found last, by name.
#[derive(Default)]
pub(crate) struct StaleLeases(BTreeMap<String, WithReason>);

impl StaleLeases {
    /// Returns the names of a network's attachments whose sandbox is gone. Those of an earlier boot end with the first write
    /// to the store.
    pub(crate) fn find(&mut self, data_dir: &Path, network: &str, boot: &str) -> Result<BTreeSet<String>, AgentError> {
        self.0.clear();
        let holdings = Holdings::read(data_dir, Some(network)).map_err(AgentError::of_node)?;
        if holdings.boot != boot {
            return Ok(BTreeSet::new());
        }
        let (mut gone, _) = stale_leases::find(holdings.attachments);
        // Without a wait: an attachment whose interface still exists is checked again next time.
        stale_leases::take_linked(&mut gone, Duration::ZERO).map_err(AgentError::of_node)?;
        self.0 = gone.into_iter().map(|stale| (name(&stale.0), stale)).collect();
        Ok(self.0.keys().cloned().collect())
    }

    /// Frees those of these names that were found last. Returns the number of addresses.
    pub(crate) fn free(
        &mut self,
        names: &BTreeSet<String>,
        data_dir: &Path,
        network: &str,
        boot: &str,
    ) -> Result<u64, AgentError> {
        let stale = names.iter().filter_map(|name| self.0.get(name));
        let held: Vec<Held> = stale.map(|(held, _)| held.clone()).collect();
        if held.is_empty() {
            return Ok(0);
        }
        // An ADD may be running for them. This thread writes heartbeats and does not wait for a lock.
        let Some(paused) = AddsPaused::try_now(data_dir).map_err(AgentError::of_node)? else { return Ok(0) };
        // An ADD may have created its link since they were found.
        let (mut gone, _) = stale_leases::find(held);
        stale_leases::take_linked(&mut gone, Duration::ZERO).map_err(AgentError::of_node)?;
        let freed = stale_leases::free(&paused, data_dir, boot, &gone, clock::now()).map_err(AgentError::of_node)?;
        let mut addresses = 0;
        for (held, why) in &freed.attachments {
            addresses += held.record.addresses.len() as u64;
            let list = held.record.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            info!(network, "freed {list} of container {}: {why}", held.key.container_id);
        }
        freed.files_left.iter().for_each(|error| warn!(network, "{error}"));
        freed.mac_filters_left.iter().for_each(|fault| warn!(network, "{fault}"));
        freed.masquerade_left.iter().for_each(|fault| warn!(network, "{fault}"));
        Ok(addresses)
    }
}

/// A container that is added again gets another name.
fn name(held: &Held) -> String {
    format!("{} {} {}", held.key.container_id, held.key.interface, held.record.since)
}
