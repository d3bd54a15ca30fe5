//! Who holds which blocks of a cluster: what the store says, what each node hands out from, and that the two agree.

use std::path::Path;
use std::time::{Duration, Instant};

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::ownership::cluster::Cluster;
use gingham_engine::ownership::local::{LocalState, Standing};
use gingham_engine::ownership::shared_store::{Call, Reply, SharedStore};
use gingham_engine::settings::etcd::{EtcdSettings, PREFIX};
use gingham_engine::store::Store;
use gingham_etcd::Etcd;
use ipnet::IpNet;

use crate::node::DATA;

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that an etcd says of a network.
pub fn records(endpoints: &[String], network: &str) -> Cluster {
    let endpoints = endpoints.iter().map(|url| url.parse().unwrap()).collect();
    let settings = EtcdSettings { endpoints, prefix: PREFIX.to_owned(), login: None, tls: None };
    let reply = Etcd::new(settings, network).call(&Call::List { prefix: String::new() }, Instant::now() + PATIENCE);
    let Reply::Listed { records, at } = reply else { panic!("{reply:?}") };
    let cluster = Cluster::read(&records, at).unwrap();
    assert_eq!(cluster.unreadable, [""; 0]);
    cluster
}

/// The blocks that the calling node hands out from, by what it knows itself.
pub fn held(network: &str) -> Vec<IpNet> {
    let Some(store) = Store::open_read_only(Path::new(DATA)).unwrap() else { return Vec::new() };
    let Some(state) = store.ledger(network).unwrap().cluster_state().unwrap() else { return Vec::new() };
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let local = LocalState::read(&state, boot.trim()).unwrap();
    if local.standing() == Standing::Member { local.held().collect() } else { Vec::new() }
}

/// What must be so at any moment: whatever a node hands out from is its own by the store's word. Then no two nodes hand
/// out from the same block.
#[track_caller]
pub fn assert_owned(cluster: &Cluster, node: &str, held: &[IpNet]) {
    for block in held {
        let owner = cluster.live_blocks().find(|(other, _)| other == block).map(|(_, seen)| seen.record.owner.as_str());
        assert_eq!(owner, Some(node), "{node} hands out from {block}; the store has {:?}", cluster.blocks);
    }
}
