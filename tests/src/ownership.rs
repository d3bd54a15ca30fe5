//! Who holds which blocks of a cluster: what the store says, what each node hands out from, and that the two agree.

use std::path::Path;
use std::time::{Duration, Instant};

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::store::Store;
use gingham_etcd::Etcd;
use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use gingham_ownership::local::{LocalState, MembershipState};
use gingham_ownership::shared_store::{Call, Reply, SharedStore};
use gingham_ownership::snapshot::Snapshot;
use ipnet::IpNet;

use crate::node::DATA;

const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that an etcd says of a network.
pub fn records(endpoints: &[String], network: &str) -> Snapshot {
    records_at(endpoints, PREFIX, network)
}

/// The same for records that lie elsewhere: `cluster.prefix`.
pub fn records_at(endpoints: &[String], prefix: &str, network: &str) -> Snapshot {
    let endpoints = endpoints.iter().map(|url| url.parse().unwrap()).collect();
    let settings = EtcdSettings { endpoints, prefix: prefix.to_owned(), login: None, tls: None };
    let reply = Etcd::new(settings, network).call(&Call::List { prefix: String::new() }, Instant::now() + PATIENCE);
    let Reply::Listed { records, at } = reply else { panic!("{reply:?}") };
    let cluster = Snapshot::read(&records, at).unwrap();
    assert_eq!(cluster.unreadable, [""; 0]);
    cluster
}

/// The blocks that the calling node hands out from, by what it knows itself.
pub fn held(network: &str) -> Vec<IpNet> {
    local(Path::new(DATA), network).map_or_else(Vec::new, |local| handed_out_from(&local))
}

/// The blocks that a node hands out from. One that is no member hands out nothing.
pub fn handed_out_from(local: &LocalState) -> Vec<IpNet> {
    if local.membership() == MembershipState::Member { local.held().collect() } else { Vec::new() }
}

/// What the calling node knows itself, in its data directory.
pub fn local(data: &Path, network: &str) -> Option<LocalState> {
    let store = Store::open_read_only(data).unwrap()?;
    let state = store.ledger(network).unwrap().cluster_state().unwrap()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    Some(LocalState::read(&state, boot.trim()).unwrap())
}

/// What must be so at any moment: whatever a node hands out from is its own by the store's word. Then no two nodes hand
/// out from the same block.
#[track_caller]
pub fn assert_owned(cluster: &Snapshot, node: &str, held: &[IpNet]) {
    for block in held {
        let owner = cluster.live_blocks().find(|(other, _)| other == block).map(|(_, seen)| seen.record.owner.as_str());
        assert_eq!(owner, Some(node), "{node} hands out from {block}; the store has {:?}", cluster.blocks);
    }
}

/// What must be so once a node is well: it has all that the store knows as its own.
#[track_caller]
pub fn assert_nothing_lost(cluster: &Snapshot, node: &str, held: &[IpNet]) {
    let own = cluster.live_blocks().filter(|(_, seen)| seen.record.owner == node).map(|(block, _)| block);
    assert_eq!(held, own.collect::<Vec<_>>(), "what {node} hands out from, and what the store knows as its own");
}
