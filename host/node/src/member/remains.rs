//! Leases of containers that are gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use gingham_network::holdings::{Held, Holdings};
use gingham_network::stale_leases::{self, AddsPaused, WithReason};

use super::{count, now, of_node};
use crate::cluster::Fault;
use crate::log;

/// What was found at the last look, by name.
#[derive(Default)]
pub(crate) struct Remains(BTreeMap<String, WithReason>);

impl Remains {
    /// Looks which attachments of a network are left without a sandbox, and returns their names. Those that an earlier
    /// boot left end with the first write to the store.
    pub(crate) fn look(&mut self, data_dir: &Path, network: &str, boot: &str) -> Result<BTreeSet<String>, Fault> {
        self.0.clear();
        let holdings = Holdings::read(data_dir, Some(network)).map_err(of_node)?;
        if holdings.boot != boot {
            return Ok(BTreeSet::new());
        }
        let (mut gone, _) = stale_leases::find(holdings.attachments);
        // No patience: whose interface is still there is looked at again.
        stale_leases::take_linked(&mut gone, Duration::ZERO).map_err(of_node)?;
        self.0 = gone.into_iter().map(|judged| (name(&judged.0), judged)).collect();
        Ok(self.0.keys().cloned().collect())
    }

    /// Frees those with these names, as far as the last look found them. Returns how many addresses that were.
    pub(crate) fn free(
        &mut self,
        names: &BTreeSet<String>,
        data_dir: &Path,
        network: &str,
        boot: &str,
    ) -> Result<u64, Fault> {
        let judged = names.iter().filter_map(|name| self.0.get(name));
        let held: Vec<Held> = judged.map(|(held, _)| held.clone()).collect();
        if held.is_empty() {
            return Ok(0);
        }
        // One that is under way may be theirs. This thread has a sign of life to give and waits for nobody.
        let Some(alone) = AddsPaused::try_now(data_dir).map_err(of_node)? else { return Ok(0) };
        // An ADD may have been under way at the last look, and have made its link since.
        let (mut gone, _) = stale_leases::find(held);
        stale_leases::take_linked(&mut gone, Duration::ZERO).map_err(of_node)?;
        let freed = stale_leases::free(&alone, data_dir, boot, &gone, now()).map_err(of_node)?;
        let mut addresses = 0;
        for (held, why) in &freed.attachments {
            addresses += count(held.record.addresses.len());
            let list = held.record.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
            log::info(Some(network), &format!("freed {list} of container {}: {why}", held.key.container_id));
        }
        freed.files_left.iter().for_each(|error| log::warning(Some(network), &error.to_string()));
        freed.mac_filters_left.iter().for_each(|fault| log::warning(Some(network), fault));
        freed.masquerade_left.iter().for_each(|fault| log::warning(Some(network), fault));
        Ok(addresses)
    }
}

/// A container that comes again is another one.
fn name(held: &Held) -> String {
    format!("{} {} {}", held.key.container_id, held.key.interface, held.record.since)
}
