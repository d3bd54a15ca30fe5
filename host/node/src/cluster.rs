//! What the upkeep of one network needs of its cluster. The calls do the work of one task each; each ends within bounds
//! of its own, and what it changed is durable when it returns.

use std::collections::BTreeSet;

use gingham_net::reach::Wanted;

use crate::networks::Network;

/// One network's cluster, seen from this node.
pub(crate) trait Cluster: Send {
    /// Tells the other members that this node lives.
    fn beat(&mut self) -> Result<(), Fault>;

    /// Brings this node's state and the store's together; joins first if this node is no member yet.
    fn sync(&mut self) -> Result<View, Fault>;

    /// Claims blocks until the free addresses are above the low-water mark. Returns how many.
    fn claim_ahead(&mut self) -> Result<u64, Fault>;

    /// Gives back blocks that hold nothing, above what is kept ready. Returns how many.
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
    /// How many nodes are members, this one among them.
    pub(crate) members: u64,
    /// Blocks that this node held and that the store now says are another's.
    pub(crate) lost: u64,
}

/// Counts of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Addresses with a lease.
    pub(crate) used: u64,
    /// Addresses that the next ADD can have.
    pub(crate) free: u64,
    /// Addresses that rest.
    pub(crate) cooling: u64,
    /// Blocks held.
    pub(crate) blocks: u64,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// The store does not answer, or not as it should.
    #[cfg_attr(not(test), expect(dead_code, reason = "whoever opens a cluster makes it"))]
    #[error("the cluster's store: {0}")]
    Store(String),
    /// Something of this node: its configuration, its own store, its standing in the cluster.
    #[error("{0}")]
    Node(String),
}

/// Opens a network's cluster.
pub(crate) fn open(network: &Network) -> Result<Box<dyn Cluster>, Fault> {
    let store =
        network.config.get("ipam").and_then(|ipam| ipam.get("cluster")).and_then(|cluster| cluster.get("store"));
    let store = store.map(|store| format!(" {store}")).unwrap_or_default();
    Err(Fault::Node(format!("ipam.cluster.store{store}: this version of gingham-node has no such store")))
}
