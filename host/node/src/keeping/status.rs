//! How a network is.

use std::time::{Duration, Instant};

use crate::cluster::Usage;

/// How a network is, and what was done for it since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// In one word.
    pub(crate) state: State,
    /// Addresses and blocks of this node.
    pub(crate) usage: Usage,
    /// Nodes that are members, this one among them.
    pub(crate) members: u64,
    /// Routes to other nodes.
    pub(crate) routes: u64,
    /// Prefixes that somebody else has a route to.
    pub(crate) route_conflicts: u64,
    /// Nodes and blocks that cannot be reached.
    pub(crate) unreached: u64,
    /// Records of the store that cannot be read.
    pub(crate) unreadable: u64,
    /// Blocks claimed ahead.
    pub(crate) claims: u64,
    /// Blocks given back.
    pub(crate) releases: u64,
    /// Blocks that the store said are another's.
    pub(crate) ownership_conflicts: u64,
    /// Addresses freed because their sandbox was gone.
    pub(crate) collected: u64,
    /// Rounds that are over.
    pub(crate) rounds: u64,
    /// Times that the store did not answer.
    pub(crate) store_errors: u64,
    /// When the store last answered.
    pub(crate) store_answered: Option<Instant>,
    /// When the last round ended, or the start.
    pub(crate) last_round: Instant,
    /// A round that takes longer is stuck.
    pub(crate) patience: Duration,
}

/// How a network is, in one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The first round is not over.
    Starting,
    /// All was done.
    Kept,
    /// The store does not answer: routes and claims are those of its last answer.
    StoreSilent(String),
    /// Something could not be done.
    Failed(String),
}

impl Status {
    /// Before the first round.
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            state: State::Starting,
            usage: Usage::default(),
            members: 0,
            routes: 0,
            route_conflicts: 0,
            unreached: 0,
            unreadable: 0,
            claims: 0,
            releases: 0,
            ownership_conflicts: 0,
            collected: 0,
            rounds: 0,
            store_errors: 0,
            store_answered: None,
            last_round: Instant::now(),
            patience: every * 2 + Duration::from_mins(1),
        }
    }

    /// Whether its thread does not come back.
    pub(crate) fn is_stuck(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_round) > self.patience
    }
}
