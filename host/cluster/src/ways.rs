//! The ways to the other nodes, as the kernel is to have them.

use gingham_engine::settings::cluster::Routing;
use gingham_net::node_routes::{self, Mode, Wanted, device_mac};
use gingham_ownership::cluster::Cluster as Records;
use ipnet::IpNet;

use crate::{Cluster, Fault, machine, peers};

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
                let local = machine::node_address(&self.keys, Routing::Vxlan)?;
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

    /// What is to be routed, from what the store says. `bridge` is the one that this node's containers are on, `ranges`
    /// are the cluster's ([`crate::Policy::grids`]). None where the network underneath sees to it.
    ///
    /// # Errors
    /// [`Fault::Settings`] if this node's own address is not known.
    pub fn wanted(&self, records: &Records, bridge: &str, ranges: Vec<IpNet>) -> Result<Option<Wanted>, Fault> {
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
