//! What the upkeep of one network needs of its cluster. The calls do the work of one task each; each ends within bounds
//! of its own, and what it changed is durable when it returns.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_net::node_routes::Wanted;

/// One network's cluster, seen from this node.
pub(crate) trait Cluster {
    /// Tells the other members that this node lives.
    fn beat(&mut self) -> Result<(), Fault>;

    /// Brings this node's state and the store's together; joins first if this node is no member yet, or not any more.
    fn sync(&mut self) -> Result<View, Fault>;

    /// Claims blocks until the free addresses are above the low-water mark. Returns how many.
    fn claim_ahead(&mut self) -> Result<u64, Fault>;

    /// Gives back blocks that have held nothing for a while, above what is kept ready. Returns how many.
    fn give_back(&mut self) -> Result<u64, Fault>;

    /// Attachments whose sandbox is gone, under names that stay the same between two calls.
    fn orphans(&mut self) -> Result<BTreeSet<String>, Fault>;

    /// Frees the leases of attachments. Returns how many addresses that were.
    fn free(&mut self, orphans: &BTreeSet<String>) -> Result<u64, Fault>;

    /// How the addresses of this node's blocks are used.
    fn usage(&mut self) -> Result<Usage, Fault>;
}

/// The cluster as the store showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// What is to be routed; `None` where the network underneath sees to it.
    pub(crate) reach: Option<Wanted>,
    /// How many nodes are members.
    pub(crate) members: u64,
    /// Blocks that this node held and that the store now says are not its.
    pub(crate) lost: u64,
    /// Keys of the store's records that cannot be read.
    pub(crate) unreadable: Vec<String>,
    /// Why this node is no member, if it is none: the ways to the others are right all the same.
    pub(crate) problem: Option<Fault>,
}

/// This node's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Addresses with a lease.
    pub(crate) used: u64,
    /// Addresses that the next ADD can have.
    pub(crate) free: u64,
    /// Addresses that rest.
    pub(crate) cooling: u64,
    /// Blocks held.
    pub(crate) blocks: u64,
    /// Addresses that containers have here although this node does not hold their blocks.
    pub(crate) outside: Vec<IpAddr>,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The store does not answer, or not as it should.
    #[error("{0}")]
    Store(String),
    /// Something of this node: its configuration, its own store, its standing in the cluster.
    #[error("{0}")]
    Node(String),
}
