use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// What [`reconcile`](super::reconcile) found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Routes to blocks of other nodes, adjacent blocks of one node together.
    pub routes: Changes,
    /// Neighbours and forwarding entries of the vxlan device.
    pub neighbours: Changes,
    pub device: Device,
    /// The bridge does not exist yet; what creates it calls [`ensure_proxy_arp`](super::ensure_proxy_arp).
    pub bridge_missing: bool,
    /// Prefixes with a route of another process, which stays; ours is not added.
    pub conflicts: Vec<Conflict>,
    /// Nodes and blocks without a route, sorted.
    pub problems: Vec<PeerProblem>,
}

impl Report {
    pub fn is_unchanged(&self) -> bool {
        self.routes.is_none() && self.neighbours.is_none() && matches!(self.device, Device::None | Device::Unchanged)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    pub unchanged: usize,
    /// New, or with another next hop than before.
    pub added: usize,
    /// Deleted, or with another next hop now.
    pub removed: usize,
}

impl Changes {
    fn is_none(self) -> bool {
        (self.added, self.removed) == (0, 0)
    }
}

/// What became of the vxlan device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    #[default]
    None,
    Unchanged,
    /// Its Ethernet address, MTU or state was corrected.
    Adjusted,
    Created,
    /// The kernel cannot change the parameters that differed.
    Recreated,
    Removed,
}

/// A route of another process to a prefix that a node of the cluster owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    pub prefix: IpNet,
    /// The node.
    pub owner: String,
    /// Of the other route: 2 is the kernel, 3 or 4 an administrator, 12 BIRD, …
    pub protocol: u8,
    pub gateway: Option<IpAddr>,
    /// The index of the other route's interface.
    pub interface: Option<u32>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} belongs to node {:?}, but another route to it exists", self.prefix, self.owner)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(interface) = self.interface {
            write!(f, " over the interface with index {interface}")?;
        }
        write!(f, " (protocol {}), which stays; remove it or choose another range", self.protocol)
    }
}

/// Why there is no route to a node, or to one of its blocks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum PeerProblem {
    #[error(
        "node {member:?} ({address}) is not on a link of this node but behind the router {gateway}; use `routing: vxlan`"
    )]
    BehindARouter { member: String, address: IpAddr, gateway: IpAddr },
    #[error("no route to node {member:?} ({address}); check that the interface that leads to it is up")]
    NoRoute { member: String, address: IpAddr },
    #[error(
        "node {member:?} is registered with the address {address}, which is an address of this node; correct its cluster.address"
    )]
    OwnAddress { member: String, address: IpAddr },
    #[error(
        "node {member:?} is registered with the address {address}, which is in the cluster's range {range}; give it an address outside of the range"
    )]
    AddressInRange { member: String, address: IpAddr, range: IpNet },
    #[error(
        "node {member:?} is registered without an {family} address, which {prefix} needs; set its cluster.address to one{hint}"
    )]
    NoAddress {
        member: String,
        /// "IPv4" or "IPv6".
        family: &'static str,
        /// A block, or the address that this node sends from.
        prefix: IpNet,
        /// Another remedy, or nothing.
        hint: &'static str,
    },
    #[error("node {member:?} is registered without a vxlan device; use `routing: vxlan` there, too")]
    NoMac { member: String },
    #[error("node {member:?} is registered with the {what} of {other}; give each node its own")]
    Ambiguous {
        member: String,
        /// `node "NAME"`, or this node.
        other: String,
        /// What they share: an address.
        what: String,
    },
    #[error("block {block} of node {member:?} is outside of the network's range")]
    OutsideTheRange { member: String, block: IpNet },
    #[error("block {block} of node {member:?} is held by node {other:?}, too")]
    HeldTwice {
        member: String,
        /// The node that the route leads to.
        other: String,
        block: IpNet,
    },
    /// By the kernel.
    #[error("cannot add {what} of node {member:?}: {reason}")]
    Refused {
        member: String,
        /// The route or neighbour.
        what: String,
        reason: String,
    },
}
