//! The routes to the other nodes, as the kernel is to have them.

use std::net::IpAddr;

use gingham_engine::settings::routing::Routing;
use gingham_net::node_routes::{self, Mode, Wanted, device_mac};
use gingham_ownership::snapshot::Snapshot;
use ipnet::IpNet;

use crate::{Cluster, Fault, node_identity};

impl Cluster<'_> {
    /// How packets get to the other nodes; none where the network underneath sees to it.
    ///
    /// # Errors
    /// [`Fault::Settings`] if this node's own address is not known.
    pub fn mode(&self) -> Result<Option<Mode>, Fault> {
        match self.settings.routing {
            Routing::None => Ok(None),
            Routing::Direct => Ok(Some(Mode::Direct)),
            Routing::Vxlan => {
                let local = node_identity::node_address(&self.keys, Routing::Vxlan)?;
                Ok(local.map(|local| {
                    let id = self.keys.vxlan.id.unwrap_or_else(|| node_routes::network_identifier(self.network));
                    Mode::Vxlan(node_routes::Vxlan {
                        id,
                        port: self.keys.vxlan.port,
                        local,
                        mac: device_mac(self.network, &self.node),
                    })
                }))
            }
        }
    }

    /// The hardware address of this node's tunnel device, for the others: made of names, so that it outlives the device.
    pub(crate) fn device_mac(&self) -> Option<String> {
        (self.settings.routing == Routing::Vxlan).then(|| device_mac(self.network, &self.node).to_string())
    }

    /// What is to be routed, by a snapshot. `bridge` is the one that this node's containers are on, `ranges`
    /// are the cluster's ([`crate::Policy::grids`]). None where the network underneath sees to it.
    ///
    /// # Errors
    /// [`Fault::Settings`] if this node's own address is not known.
    pub fn wanted(&self, records: &Snapshot, bridge: &str, ranges: Vec<IpNet>) -> Result<Option<Wanted>, Fault> {
        let Some(mode) = self.mode()? else { return Ok(None) };
        let peers = peers(records, &self.node).into_iter().map(|peer| node_routes::Peer {
            name: peer.name,
            addresses: peer.address.into_iter().collect(),
            vxlan_mac: peer.mac.and_then(|mac| mac.parse().ok()),
            blocks: peer.blocks,
        });
        let network = self.network.to_owned();
        Ok(Some(Wanted { network, mode, bridge: bridge.to_owned(), ranges, peers: peers.collect() }))
    }
}

/// Another node: where it is and what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub name: String,
    /// None if it registered none.
    pub address: Option<IpAddr>,
    /// The hardware address of its tunnel device.
    pub mac: Option<String>,
    /// Its blocks, in address order.
    pub blocks: Vec<IpNet>,
}

/// The other nodes that have blocks, by name.
pub fn peers(snapshot: &Snapshot, me: &str) -> Vec<Peer> {
    let others = snapshot.members.iter().filter(|(name, _)| *name != me);
    let mut peers: Vec<Peer> = others
        .map(|(name, seen)| Peer {
            name: name.clone(),
            address: seen.record.address,
            mac: seen.record.mac.clone(),
            blocks: Vec::new(),
        })
        .collect();
    for (block, seen) in snapshot.live_blocks() {
        // In the order of their names, as they come out of the map.
        if let Ok(at) = peers.binary_search_by(|peer| peer.name.as_str().cmp(&seen.record.owner)) {
            peers[at].blocks.push(block);
        }
    }
    peers.retain(|peer| !peer.blocks.is_empty());
    peers
}
