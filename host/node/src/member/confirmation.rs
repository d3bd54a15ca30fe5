//! That this node still is the member that it takes itself for, for the plugin (rule R11): read now and then, and when an ADD
//! waits for it.

use std::time::{Duration, Instant};

use gingham_cluster::{Fault, RoomAnswer};
use gingham_ownership::confirm::Confirmed;
use gingham_ownership::error::ClusterError;
use gingham_ownership::local::CONFIRMED_FOR;
use gingham_ownership::record::Membership;
use tracing::{debug, warn};

use super::this_node::NodeObject;
use super::{Member, cluster_error};
use crate::cluster_calls::AgentError;

/// Between two confirmations: an agent that restarts has the other half of the time for it.
const PERIOD: Duration = Duration::from_millis(CONFIRMED_FOR / 2);

/// For an ADD that waits. It is a read, and after silence a write.
const TIMEOUT: Duration = Duration::from_secs(2);

/// What this process has seen.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    /// None also while the store does not answer.
    last: Option<Instant>,
    /// Whether there was one at all.
    was_seen: bool,
}

impl Confirmation {
    pub(super) fn note(&mut self) {
        *self = Self { last: Some(Instant::now()), was_seen: true };
    }
}

impl Member {
    /// Reads this node's own record, if that was not done lately. One whose membership is over joins next.
    pub(super) fn confirm_if_due(&mut self, deadline: Instant) -> Result<(), AgentError> {
        if self.node_object.is_none() || self.is_confirmed()? {
            return Ok(());
        }
        match self.with(|_, parts| parts.cluster.confirm(deadline)) {
            Ok(Confirmed { corrected }) => {
                self.confirmation.note();
                if let Some(was) = corrected {
                    let text = "this node's member record was edited by hand: this node is a member, and the record says so again; \
                                to have it leave, run ginghamctl cluster leave on it";
                    warn!(network = self.settled().network, "{text} (membership was {was:?})");
                }
            }
            Err(Fault::Protocol(ClusterError::Fenced { .. })) => {
                let text = "this node was taken over: it has dropped its blocks and joins again";
                warn!(network = self.settled().network, "{text}");
            }
            Err(Fault::Protocol(ClusterError::NotMember { .. } | ClusterError::Superseded { .. })) => {}
            Err(fault) => return Err(cluster_error(fault)),
        }
        Ok(())
    }

    /// What this process remembers is not enough: an agent that ran beside it may have withdrawn the confirmation.
    fn is_confirmed(&mut self) -> Result<bool, AgentError> {
        let is_recent = self.confirmation.last.is_some_and(|last| last.elapsed() < PERIOD);
        Ok(is_recent
            && self.is_shown_as_member()
            && self.with(|_, parts| parts.cluster.is_in_touch()).map_err(cluster_error)?)
    }

    /// By the watches, as far as they are known.
    fn is_shown_as_member(&mut self) -> bool {
        let Some(records) = self.node_object.as_ref().and_then(NodeObject::records) else { return true };
        let own = self.with(|_, parts| records.members.get(parts.cluster.node()).map(|seen| seen.record.membership));
        own.is_none_or(|membership| membership == Membership::Member)
    }

    /// Has the next ADD ask this agent: while the store does not answer, another node may take this one over.
    pub(super) fn doubt(&mut self) {
        if self.node_object.is_none() {
            return;
        }
        self.confirmation.last = None;
        if let Err(error) = self.with(|_, parts| parts.cluster.doubt()) {
            debug!(network = self.settled().network, "the plugin goes on without a confirmation: {error}");
        }
    }

    /// An ADD may wait for a confirmation, and not for a block.
    ///
    /// An agent that has lost the store cannot know more than the node did before: what it holds is served from. One that has
    /// never reached it may be on a node that was taken over, and is back.
    pub(super) fn refuse_unconfirmed(&mut self) -> Option<RoomAnswer> {
        match self.confirm_if_due(Instant::now() + TIMEOUT) {
            Ok(()) => None,
            Err(AgentError::Store(reason)) if self.confirmation.was_seen => {
                self.doubt();
                Some(RoomAnswer::Unreachable(reason))
            }
            Err(error) => Some(RoomAnswer::Failed(error.to_string())),
        }
    }
}
