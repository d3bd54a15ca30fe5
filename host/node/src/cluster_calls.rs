//! What the reconcile of one network needs of its cluster. Each call does one task within a time limit; its changes are durable
//! when it returns.

use std::collections::BTreeSet;
use std::error::Error;
use std::net::IpAddr;

use gingham_cluster::RoomAnswer;
use gingham_net::node_routes::Wanted;
use ipnet::IpNet;

/// One network's cluster, seen from this node.
pub(crate) trait Cluster {
    /// Writes this node's heartbeat.
    fn beat(&mut self) -> Result<(), AgentError>;

    /// Synchronises this node's state with the store; joins first if this node is not a member.
    fn sync(&mut self) -> Result<Snapshot, AgentError>;

    /// Claims blocks until the free addresses are above the low-water mark. Returns how many.
    fn claim_ahead(&mut self) -> Result<u64, AgentError>;

    /// Claims blocks until so many addresses are free on each grid, for an ADD that waits for it.
    fn make_room(&mut self, addresses: u64) -> RoomAnswer;

    /// Releases blocks that were idle for the grace period, above the low-water mark. Returns how many.
    fn release_idle(&mut self) -> Result<u64, AgentError>;

    /// Attachments whose sandbox is gone, under names that stay the same between two calls.
    fn stale_leases(&mut self) -> Result<BTreeSet<String>, AgentError>;

    /// Frees the leases of attachments. Returns the number of addresses.
    fn free(&mut self, stale: &BTreeSet<String>) -> Result<u64, AgentError>;

    fn usage(&mut self) -> Result<Usage, AgentError>;

    /// Whether it has to be opened again: the policy's name stands for another component, or the node has other labels.
    fn is_outdated(&mut self) -> bool {
        false
    }
}

/// The cluster as read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// `None` if the network underneath routes.
    pub(crate) routes: Option<Wanted>,
    pub(crate) members: u64,
    /// Blocks that this node held and that the store assigns to another node or to none.
    pub(crate) lost: u64,
    /// Keys of the store's records that cannot be read.
    pub(crate) unreadable: Vec<String>,
    /// Records of blocks in which the range is not divided. No node has them.
    pub(crate) off_grid: Vec<IpNet>,
    /// Blocks of this node whose owner was edited by hand, and blocks of others that were edited to this node.
    pub(crate) edited: Vec<Edited>,
    /// Why this node is not a member, if it is not. The routes are valid all the same.
    pub(crate) problem: Option<AgentError>,
}

/// A block whose record was edited by hand: no node gives addresses of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edited {
    pub(crate) block: IpNet,
    pub(crate) owner: String,
    pub(crate) claimant: String,
}

/// This node's addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// Addresses with a lease.
    pub(crate) used: u64,
    /// Addresses that the next ADD can have.
    pub(crate) free: u64,
    pub(crate) cooling: u64,
    pub(crate) blocks: u64,
    /// Addresses of containers on this node in blocks that it does not hold.
    pub(crate) outside: Vec<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AgentError {
    /// The store does not answer, or its answer is invalid.
    #[error("{0}")]
    Store(String),
    /// Of this node: its configuration, its own store, its membership.
    #[error("{0}")]
    Node(String),
}

impl AgentError {
    #[allow(clippy::needless_pass_by_value, reason = "for map_err")]
    pub(crate) fn of_node(error: impl Error) -> Self {
        Self::Node(error.to_string())
    }
}
