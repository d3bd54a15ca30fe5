//! The other nodes, as far as packets are concerned.

use std::net::IpAddr;

use gingham_ownership::cluster::Cluster;
use ipnet::IpNet;

/// Another node: where it is and what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where it is reached; none if it did not say.
    pub address: Option<IpAddr>,
    /// The hardware address of its tunnel device.
    pub mac: Option<String>,
    /// Its blocks, in address order.
    pub blocks: Vec<IpNet>,
}

/// The other nodes that have blocks, by name.
pub fn peers(cluster: &Cluster, me: &str) -> Vec<Peer> {
    let others = cluster.members.iter().filter(|(name, _)| *name != me);
    let mut peers: Vec<Peer> = others
        .map(|(name, seen)| Peer {
            name: name.clone(),
            address: seen.record.address,
            mac: seen.record.mac.clone(),
            blocks: Vec::new(),
        })
        .collect();
    for (block, seen) in cluster.live_blocks() {
        // In the order of their names, as they come out of the map.
        if let Ok(at) = peers.binary_search_by(|peer| peer.name.as_str().cmp(&seen.record.owner)) {
            peers[at].blocks.push(block);
        }
    }
    peers.retain(|peer| !peer.blocks.is_empty());
    peers
}
