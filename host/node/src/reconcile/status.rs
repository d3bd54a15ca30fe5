use std::time::{Duration, Instant};

use crate::cluster_calls::Usage;
use crate::networks::Network;

/// The state of a network, and counters since the start of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// By which it is reconciled; none in tests that need none.
    pub(crate) network: Option<Network>,
    pub(crate) state: State,
    /// Why no ADD of this network can succeed, whatever the store does; none if that is unknown.
    pub(crate) unusable: Option<Unusable>,
    pub(crate) usage: Usage,
    /// A block's record was edited by hand.
    pub(crate) ownership_conflict: Option<String>,
    /// Including this node.
    pub(crate) members: u64,
    /// Routes to other nodes.
    pub(crate) routes: u64,
    /// Prefixes with a route of another process.
    pub(crate) route_conflicts: u64,
    /// Nodes and blocks without a route.
    pub(crate) missing_routes: u64,
    /// Records of the store that cannot be read.
    pub(crate) unreadable: u64,
    /// Blocks claimed ahead.
    pub(crate) claims: u64,
    /// Blocks released.
    pub(crate) releases: u64,
    /// Blocks that the store assigns to another node.
    pub(crate) ownership_conflicts: u64,
    /// Addresses freed because their sandbox was gone.
    pub(crate) collected: u64,
    pub(crate) reconciles: u64,
    /// Failed calls of the store.
    pub(crate) store_errors: u64,
    /// When the store last answered.
    pub(crate) store_answered: Option<Instant>,
    /// The end of the last reconcile, or the start.
    pub(crate) last_reconcile: Instant,
    /// A reconcile that takes longer is stuck.
    pub(crate) stuck_after: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Its configuration: waiting does not help.
    Configuration(String),
    /// Its cluster cannot be opened now, or this node is no member of it.
    Cluster(String),
}

impl Unusable {
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Configuration(reason) | Self::Cluster(reason) => reason,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Reconciled,
    /// Routes and blocks are those of the store's last answer.
    StoreUnreachable(String),
    Failed(String),
}

impl Status {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            network: None,
            state: State::Starting,
            unusable: None,
            usage: Usage::default(),
            ownership_conflict: None,
            members: 0,
            routes: 0,
            route_conflicts: 0,
            missing_routes: 0,
            unreadable: 0,
            claims: 0,
            releases: 0,
            ownership_conflicts: 0,
            collected: 0,
            reconciles: 0,
            store_errors: 0,
            store_answered: None,
            last_reconcile: Instant::now(),
            stuck_after: interval * 2 + Duration::from_mins(1),
        }
    }

    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_reconcile) > self.stuck_after
    }
}
