//! What a pod was refused, left in the store by the plugin: the node agent makes an Event of it.

use serde::{Deserialize, Serialize};

use crate::attachment::Pod;
use crate::history::RefusedKind;

/// The most that wait for the agent. Further pods' refusals are dropped: the agent is not running.
pub const MOST_REFUSALS: usize = 1024;

/// The most bytes of a message: what the API accepts in an Event's note.
const LONGEST_MESSAGE: usize = 1024;

/// The reason of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefusalReason {
    /// No address is left.
    AddressPoolExhausted,
    /// The policy does not give this pod an address.
    AddressRefused,
    /// Not now, or not the address that was requested.
    AddressUnavailable,
}

impl RefusalReason {
    /// Of a policy's refusal; otherwise the cluster had no block to give.
    pub fn of(refused: Option<RefusedKind>) -> Self {
        match refused {
            Some(RefusedKind::Exhausted) => Self::AddressPoolExhausted,
            Some(RefusedKind::Denied | RefusedKind::InvalidConfig | RefusedKind::Other) => Self::AddressRefused,
            Some(RefusedKind::Unavailable | RefusedKind::TryAgain) | None => Self::AddressUnavailable,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::AddressPoolExhausted => "AddressPoolExhausted",
            Self::AddressRefused => "AddressRefused",
            Self::AddressUnavailable => "AddressUnavailable",
        }
    }
}

/// The same reason again and again is one refusal with a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRefusal {
    pub network: String,
    pub pod: Pod,
    pub reason: RefusalReason,
    /// The last one's.
    pub message: String,
    pub count: u64,
    /// Milliseconds since the epoch.
    pub first: u64,
    /// Milliseconds since the epoch.
    pub last: u64,
}

impl PodRefusal {
    pub fn new(network: &str, pod: Pod, reason: RefusalReason, message: &str, now: u64) -> Self {
        let message = message[..message.floor_char_boundary(LONGEST_MESSAGE)].to_owned();
        Self { network: network.to_owned(), pod, reason, message, count: 1, first: now, last: now }
    }

    /// This one after those that wait already.
    pub(crate) fn after(self, earlier: &Self) -> Self {
        Self { count: earlier.count.saturating_add(self.count), first: earlier.first.min(self.first), ..self }
    }
}
