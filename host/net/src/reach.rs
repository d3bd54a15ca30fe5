//! Reaching the containers of other nodes: the routes to their blocks, and what lies under them.
//!
//! A cluster's range is cut into blocks, each of one node. [`reconcile`] makes the kernel's state equal to what is known
//! of the other nodes ([`Wanted`]), in one of two ways:
//!
//! - [`Mode::Route`], for nodes on one link: `10.40.0.0/24 via 192.0.2.2 dev eth0`.
//! - [`Mode::Vxlan`], for nodes with routers between them: a device of the network's own that floods nothing and learns
//!   nothing; per node a permanent neighbour and a forwarding entry; `10.40.0.0/24 via NODE dev ggv-mynet onlink`.
//!
//! Containers keep the range's own prefix length for IPv4: the bridge answers ARP for what is routed elsewhere. IPv6 has
//! no such thing for a whole range, so an IPv6 container gets no network of its own but routes; [`pod_network`] says which.
//!
//! All routes carry the protocol number [`PROTOCOL`]. Only those are ever changed or removed, and only within the
//! ranges. A route of somebody else to the same prefix is reported and left.
//!
//! Every function must be called in the namespace of the socket it is given: settings below `/proc/sys/net` belong to
//! the calling thread's namespace.

mod bridge_answers;
mod entries;
mod error;
mod keeper;
mod lookup;
mod plan;
mod pod;
mod report;
mod reverse_path;
mod routes;
#[cfg(test)]
mod tests;
mod vxlan;

use std::net::IpAddr;

use ipnet::IpNet;

pub use self::bridge_answers::ensure_bridge_answers;
pub use self::error::ReachError;
pub use self::keeper::{Keeper, KeeperError, is_kept};
pub use self::lookup::uplink;
pub use self::pod::{pod_mtu, pod_network};
pub use self::report::{Changes, Conflict, Device, PeerProblem, Report};
pub use self::reverse_path::{ReversePathProblem, dropped_by_reverse_path_filter};
pub use self::vxlan::{DEFAULT_PORT, device_mac, device_name, network_identifier};
use crate::netlink::{Route, Socket};
use crate::{Mac, NetError};

/// The route protocol number (`rtm_protocol`) of every route made here: `G`.
///
/// The kernel passes it through. Neither its `rtnetlink.h` nor iproute2's `rt_protos` gives it to anybody (42 babel, 84
/// OVN, 99 Open/R and 186 and up for routing daemons are the neighbours), and flannel, Calico (80) and BIRD (12) do not
/// use it.
pub const PROTOCOL: u8 = 71;

/// What the other nodes have, and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The network's name: of the vxlan device, and in errors.
    pub network: String,
    /// How packets get to the other nodes.
    pub mode: Mode,
    /// The bridge that this node's containers are on. It need not exist yet.
    pub bridge: String,
    /// The cluster's ranges, at most one of each family as a rule. Routes of ours outside of them belong to other
    /// networks.
    pub ranges: Vec<IpNet>,
    /// The other nodes; not this one.
    pub peers: Vec<Peer>,
}

/// How packets get to the other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// The nodes are on one link: their addresses are the next hops.
    Route,
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

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name in the cluster, for errors.
    pub name: String,
    /// The node's addresses, at most one of each family is used.
    pub addresses: Vec<IpAddr>,
    /// The Ethernet address of its vxlan device; not needed for [`Mode::Route`].
    pub vxlan_mac: Option<Mac>,
    /// The blocks it holds.
    pub blocks: Vec<IpNet>,
}

/// Makes the kernel's state equal to what is wanted. Goes on where one node's part cannot be done: the report says which
/// and why. When nothing is to be changed this is a look-up per peer, a list of our routes of each family and, for
/// vxlan, three short lists.
///
/// New routes are there before old ones go, so that a block that changes its way or its owner is never without one.
///
/// # Errors
/// [`ReachError`]: what stands in the way of the whole, not of one peer.
pub fn reconcile(kernel: &mut Socket<Route>, wanted: &Wanted) -> Result<Report, ReachError> {
    let mut report = Report::default();
    for range in &wanted.ranges {
        bridge_answers::forward(*range)?;
    }
    report.bridge_missing = !ensure_bridge_answers(kernel, &wanted.bridge, &wanted.ranges)?;
    match &wanted.mode {
        Mode::Route => {
            let routes = plan::on_the_link(kernel, wanted, &mut report.problems)?;
            routes::bring(kernel, &wanted.ranges, &routes, &mut report)?;
            // What was there for another mode.
            if vxlan::remove(kernel, &wanted.network)? {
                report.device = Device::Removed;
            }
        }
        Mode::Vxlan(settings) => {
            let device = vxlan::ensure(kernel, &wanted.network, settings)?;
            report.device = device.outcome;
            let (routes, neighbours) = plan::through_vxlan(kernel, wanted, device.index, &mut report.problems)?;
            let stale = entries::add(kernel, device.index, &neighbours, &mut report)?;
            routes::bring(kernel, &wanted.ranges, &routes, &mut report)?;
            entries::remove(kernel, device.index, &stale, &mut report)?;
        }
    }
    report.problems.sort();
    Ok(report)
}

/// Takes away all that [`reconcile`] made for a network: our routes within the ranges, the vxlan device with its
/// neighbours, and the bridge's answers to ARP. IP forwarding stays on: others may rely on it. Returns whether anything
/// was there.
///
/// # Errors
/// The kernel refuses.
pub fn remove(kernel: &mut Socket<Route>, network: &str, bridge: &str, ranges: &[IpNet]) -> Result<bool, ReachError> {
    let mut report = Report::default();
    routes::bring(kernel, ranges, &routes::Table::new(), &mut report)?;
    let device = vxlan::remove(kernel, network)?;
    let answers = bridge_answers::end(bridge)?;
    Ok(device || answers || report.routes.removed > 0)
}

/// A route of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptRoute {
    /// Where it leads: a block, or several of one node.
    pub destination: IpNet,
    /// The next hop.
    pub gateway: Option<IpAddr>,
    /// The index of the interface.
    pub interface: Option<u32>,
}

/// Our routes within the ranges, in the order of their destinations.
///
/// # Errors
/// The kernel refuses.
pub fn list(kernel: &mut Socket<Route>, ranges: &[IpNet]) -> Result<Vec<KeptRoute>, NetError> {
    let kept = |route: routes::Present| KeptRoute {
        destination: route.destination,
        gateway: route.gateway,
        interface: route.interface,
    };
    let mut found: Vec<_> = routes::ours(kernel, ranges)?.into_iter().map(kept).collect();
    found.sort_unstable();
    Ok(found)
}
