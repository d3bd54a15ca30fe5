//! Routes to the containers of other nodes.
//!
//! A cluster's range is divided into blocks, each owned by one node. [`reconcile`] makes the kernel's state equal to what is
//! known of the other nodes ([`Wanted`]), in one of two modes:
//!
//! - [`Mode::Direct`], for nodes on one link: `10.40.0.0/24 via 192.0.2.2 dev eth0`.
//! - [`Mode::Vxlan`], for nodes with routers between them: a device of the network's own that floods nothing and learns
//!   nothing; per node a permanent neighbour and a forwarding entry; `10.40.0.0/24 via NODE dev ggv-mynet onlink`.
//!
//! Containers keep the range's own prefix length for IPv4: the bridge answers ARP for what is routed elsewhere. IPv6 has
//! no such thing for a whole range, so an IPv6 container gets a /128 and routes: [`container_network`].
//!
//! All routes carry the protocol number [`PROTOCOL`]. Only those are ever changed or removed, and only within the
//! ranges. Another process's route to the same prefix is reported and left in place.
//!
//! Every function must be called in the namespace of the socket it is given: settings below `/proc/sys/net` belong to
//! the calling thread's namespace.

mod agent_lock;
mod container_network;
mod error;
mod plan;
mod proxy_arp;
mod report;
mod reverse_path;
mod route_lookup;
mod routes;
#[cfg(test)]
mod tests;
mod vxlan;
mod vxlan_neighbours;

use std::net::IpAddr;

use ipnet::IpNet;

pub use self::agent_lock::{AgentLock, AgentLockError, is_agent_running};
pub use self::container_network::{container_mtu, container_network};
pub use self::error::NodeRoutesError;
pub use self::proxy_arp::ensure_proxy_arp;
pub use self::report::{Changes, Conflict, Device, PeerProblem, Report};
pub use self::reverse_path::{ReversePathProblem, dropped_by_reverse_path_filter};
pub use self::route_lookup::uplink;
pub use self::vxlan::{DEFAULT_PORT, device_mac, device_name, network_identifier};
use crate::netlink::{Route, Socket};
use crate::{Mac, NetError};

/// The route protocol number (`rtm_protocol`) of every route made here: `G`.
///
/// The kernel passes it through. Neither its `rtnetlink.h` nor iproute2's `rt_protos` assigns it (42 is babel, 84 OVN, 99
/// Open/R, 186 and up are routing daemons), and flannel, Calico (80) and BIRD (12) do not use it.
pub const PROTOCOL: u8 = 71;

/// What the other nodes own, and how to route to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The network's name: of the vxlan device, and in errors.
    pub network: String,
    pub mode: Mode,
    /// The bridge of this node's containers. It need not exist yet.
    pub bridge: String,
    /// The cluster's ranges. Routes of ours outside of them belong to other networks.
    pub ranges: Vec<IpNet>,
    /// Without this node.
    pub peers: Vec<Peer>,
}

/// How packets get to the other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The nodes are on one link: their addresses are the next hops.
    Direct,
    /// There are routers between the nodes: packets are wrapped in UDP.
    Vxlan(Vxlan),
}

/// The vxlan device of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vxlan {
    /// The VXLAN network identifier, 1 to 16777215, the same on all nodes; see [`network_identifier`].
    pub id: u32,
    /// The UDP port, the same on all nodes; see [`DEFAULT_PORT`].
    pub port: u16,
    /// This node's own address, which the others send to. It is on the interface that the packets leave by.
    pub local: IpAddr,
    /// The device's Ethernet address, which the others know; see [`device_mac`].
    pub mac: Mac,
}

/// Another node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the cluster, for errors.
    pub name: String,
    /// The node's addresses, at most one of each family is used.
    pub addresses: Vec<IpAddr>,
    /// The Ethernet address of its vxlan device; not needed for [`Mode::Direct`].
    pub vxlan_mac: Option<Mac>,
    pub blocks: Vec<IpNet>,
}

/// Makes the kernel's state equal to `wanted`. A peer that cannot be routed to is reported and does not stop the others.
/// When nothing changes, the cost is one look-up per peer, one dump of our routes per family and, for vxlan, three short
/// dumps.
///
/// New routes are added before old ones are deleted, so that a block that changes its owner always has a route.
///
/// # Errors
/// [`NodeRoutesError`]: what concerns all peers, not one.
pub fn reconcile(kernel: &mut Socket<Route>, wanted: &Wanted) -> Result<Report, NodeRoutesError> {
    let mut report = Report::default();
    for range in &wanted.ranges {
        proxy_arp::forward(*range)?;
    }
    report.bridge_missing = !ensure_proxy_arp(kernel, &wanted.bridge, &wanted.ranges)?;
    match &wanted.mode {
        Mode::Direct => {
            let routes = plan::on_the_link(kernel, wanted, &mut report.problems)?;
            routes::reconcile(kernel, &wanted.ranges, &routes, &mut report)?;
            // Left by an earlier `routing: vxlan`.
            if vxlan::remove(kernel, &wanted.network)? {
                report.device = Device::Removed;
            }
        }
        Mode::Vxlan(settings) => {
            let device = vxlan::ensure(kernel, &wanted.network, settings)?;
            report.device = device.outcome;
            let (routes, neighbours) = plan::through_vxlan(kernel, wanted, device.index, &mut report.problems)?;
            let stale = vxlan_neighbours::add(kernel, device.index, &neighbours, &mut report)?;
            routes::reconcile(kernel, &wanted.ranges, &routes, &mut report)?;
            vxlan_neighbours::remove(kernel, device.index, &stale, &mut report)?;
        }
    }
    report.problems.sort();
    Ok(report)
}

/// Removes all that [`reconcile`] made for a network: our routes within the ranges, the vxlan device with its neighbours,
/// and the bridge's proxy ARP. IP forwarding stays on: others may rely on it. Returns whether anything was removed.
pub fn remove(
    kernel: &mut Socket<Route>,
    network: &str,
    bridge: &str,
    ranges: &[IpNet],
) -> Result<bool, NodeRoutesError> {
    let mut report = Report::default();
    routes::reconcile(kernel, ranges, &routes::Table::new(), &mut report)?;
    let device = vxlan::remove(kernel, network)?;
    let proxy_arp = proxy_arp::disable(bridge)?;
    Ok(device || proxy_arp || report.routes.removed > 0)
}

/// A route to another node's blocks that [`reconcile`] made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeRoute {
    /// A block, or adjacent blocks of one node.
    pub destination: IpNet,
    pub gateway: Option<IpAddr>,
    /// The index of the interface.
    pub interface: Option<u32>,
}

/// Our routes within the ranges, in the order of their destinations.
pub fn list(kernel: &mut Socket<Route>, ranges: &[IpNet]) -> Result<Vec<NodeRoute>, NetError> {
    let of_node = |route: routes::InstalledRoute| NodeRoute {
        destination: route.destination,
        gateway: route.gateway,
        interface: route.interface,
    };
    let mut found: Vec<_> = routes::ours(kernel, ranges)?.into_iter().map(of_node).collect();
    found.sort_unstable();
    Ok(found)
}
