//! How full the pools of networks without a cluster are, and how shadows answered, for the metrics. It is read from time to
//! time, so that no scrape waits for a lock or a policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use gingham_engine::ipam::{PoolRoom, ShadowCounters};
use gingham_network::error::NetworkError;
use gingham_network::network::Network as Configured;
use serde_json::Value;
use tracing::debug;

use crate::networks::program;
use crate::networks::{self, Network};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LocalNetwork {
    /// Empty for a network of a cluster, whose addresses the reconcile loop counts.
    pub(crate) pools: Vec<PoolRoom>,
    pub(crate) shadow: Option<ShadowCounters>,
}

/// By name, as they were read last.
#[derive(Clone, Default)]
pub(crate) struct LocalNetworks(Arc<Mutex<BTreeMap<String, LocalNetwork>>>);

impl LocalNetworks {
    /// Starts a thread that runs until the process ends.
    pub(crate) fn start(config_dir: PathBuf, library: PathBuf, interval: Duration) -> io::Result<Self> {
        let networks = Self::default();
        let kept = networks.clone();
        let watch = move || {
            loop {
                *kept.lock() = read(&config_dir, &library);
                thread::sleep(interval);
            }
        };
        thread::Builder::new().name("pools".to_owned()).spawn(watch)?;
        Ok(networks)
    }

    pub(crate) fn last(&self) -> BTreeMap<String, LocalNetwork> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LocalNetwork>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A network that cannot be read has no metrics: ADD reports what is wrong with it.
fn read(config_dir: &Path, library: &Path) -> BTreeMap<String, LocalNetwork> {
    let found = networks::read(config_dir);
    let of_cluster = found.networks.values().map(|network| (network, true));
    let all = of_cluster.chain(found.without_cluster.values().map(|network| (network, false)));
    let mut networks = BTreeMap::new();
    for (network, is_of_cluster) in all {
        match examine(network, is_of_cluster, library) {
            Ok(local) => drop(networks.insert(network.name.clone(), local)),
            Err(error) => debug!(network = network.name, "no metrics of its pools: {error}"),
        }
    }
    networks
}

fn examine(network: &Network, is_of_cluster: bool, library: &Path) -> Result<LocalNetwork, NetworkError> {
    let input = Value::Object(network.config.clone()).to_string();
    let configured = Configured::read(program(&network.config), library, input.as_bytes())?;
    let Some(addresses) = configured.addresses()? else { return Ok(LocalNetwork::default()) };
    let pools = if is_of_cluster { Vec::new() } else { addresses.room()? };
    Ok(LocalNetwork { pools, shadow: addresses.shadow_counters()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_networks_without_a_cluster_are_counted() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        std::fs::create_dir(path("net.d")).unwrap();
        let network = |name: &str, kind: &str| {
            let data_dir = path("leases").display().to_string();
            let ipam = serde_json::json!({"type": "host-local", "subnet": "10.9.0.0/29", "dataDir": data_dir});
            let conf = serde_json::json!({"cniVersion": "1.1.0", "name": name, "type": kind, "ipam": ipam});
            std::fs::write(path(&format!("net.d/{name}.conf")), conf.to_string()).unwrap();
        };
        network("ours", "gingham");
        network("theirs", "bridge");
        let found = read(&path("net.d"), &path("policies"));
        assert_eq!(found.keys().collect::<Vec<_>>(), ["ours"]);
        assert_eq!((found["ours"].pools[0].free, found["ours"].pools[0].leased), (5, 0));
        assert!(!path("leases").exists(), "nothing is made");
    }
}
