//! What [`reconcile`](super::reconcile) found and did.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// What was found and done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Routes to blocks of other nodes, adjacent blocks of one node together.
    pub routes: Changes,
    /// Neighbours and forwarding entries of the vxlan device.
    pub neighbours: Changes,
    /// What became of the vxlan device.
    pub device: Device,
    /// The bridge does not exist yet. Whoever makes it calls [`ensure_bridge_answers`](super::ensure_bridge_answers).
    pub bridge_missing: bool,
    /// Prefixes that somebody else has a route to; theirs stays and ours is not added.
    pub conflicts: Vec<Conflict>,
    /// Nodes or blocks that are not reached, sorted.
    pub problems: Vec<PeerProblem>,
}

impl Report {
    /// Whether all was as it should be and nothing was changed.
    pub fn is_unchanged(&self) -> bool {
        self.routes.is_none() && self.neighbours.is_none() && matches!(self.device, Device::None | Device::Kept)
    }
}

/// How many entries of a kind there are and were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Were as wanted.
    pub kept: usize,
    /// Are new, or lead elsewhere than before.
    pub added: usize,
    /// Are gone, or lead elsewhere now.
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
    /// None is wanted, and none was there.
    #[default]
    None,
    /// It was there and fits.
    Kept,
    /// Its Ethernet address, MTU or state was set right.
    Adjusted,
    /// It is new.
    Made,
    /// It was there with parameters that cannot be changed, and was made anew.
    Remade,
    /// It was there and is not wanted any more.
    Removed,
}

/// Somebody else's route to a prefix that a node of the cluster holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The prefix.
    pub prefix: IpNet,
    /// The node that holds it.
    pub owner: String,
    /// The protocol number of the other route: 2 the kernel's own, 3 or 4 an administrator's, 12 BIRD's, …
    pub protocol: u8,
    /// The other route's next hop.
    pub gateway: Option<IpAddr>,
    /// The index of the other route's interface.
    pub interface: Option<u32>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} belongs to node {:?}, but there is another route to it", self.prefix, self.owner)?;
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(interface) = self.interface {
            write!(f, " over the interface with index {interface}")?;
        }
        write!(f, " (protocol {}), which is left alone; remove it, or choose another range", self.protocol)
    }
}

/// Why a node, or a block of one, is not reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum PeerProblem {
    /// There is a router between.
    #[error(
        "node {member:?} ({address}) is not on a link of this machine but behind the router {gateway}; use `routing: vxlan`"
    )]
    BehindARouter {
        /// The node.
        member: String,
        /// Its address.
        address: IpAddr,
        /// The next hop towards it.
        gateway: IpAddr,
    },
    /// This machine has no route to the node.
    #[error("there is no route to node {member:?} ({address}); is the interface that leads to it up?")]
    NoRoute {
        /// The node.
        member: String,
        /// Its address.
        address: IpAddr,
    },
    /// The node's address is this machine's own.
    #[error(
        "node {member:?} is registered with the address {address}, which is this machine's; correct its cluster.address"
    )]
    OwnAddress {
        /// The node.
        member: String,
        /// Its address.
        address: IpAddr,
    },
    /// The node's address lies in the range that is to be reached through it.
    #[error(
        "the address {address} of node {member:?} lies in the range {range} itself; nodes need addresses outside of it"
    )]
    AddressInRange {
        /// The node.
        member: String,
        /// Its address.
        address: IpAddr,
        /// The range.
        range: IpNet,
    },
    /// The node has no address of the needed family.
    #[error("node {member:?} is registered without an {family} address, which is needed for {prefix}{hint}")]
    NoAddress {
        /// The node.
        member: String,
        /// "IPv4" or "IPv6".
        family: &'static str,
        /// A block, or the underlay's address.
        prefix: IpNet,
        /// What else would do, if anything.
        hint: &'static str,
    },
    /// The node did not register its vxlan device.
    #[error("node {member:?} is registered without a vxlan device; does it use `routing: vxlan` too?")]
    NoMac {
        /// The node.
        member: String,
    },
    /// Two nodes cannot be told apart.
    #[error("node {member:?} is registered with the {what} of node {other:?}")]
    Twice {
        /// The node.
        member: String,
        /// The node that came before, by name, or this one.
        other: String,
        /// What they have in common: an address.
        what: String,
    },
    /// A block lies in no range of the network.
    #[error("block {block} of node {member:?} is not within the network's range")]
    OutsideTheRange {
        /// The node.
        member: String,
        /// The block.
        block: IpNet,
    },
    /// Two nodes hold the same block.
    #[error("block {block} of node {member:?} is held by node {other:?} as well")]
    HeldTwice {
        /// The node.
        member: String,
        /// The node whose route stands.
        other: String,
        /// The block.
        block: IpNet,
    },
    /// The kernel refused a route or neighbour.
    #[error("cannot make the way to {what} of node {member:?}: {reason}")]
    Refused {
        /// The node.
        member: String,
        /// The prefix or neighbour.
        what: String,
        /// The kernel's words.
        reason: String,
    },
}
