//! What an allocation does not show in its result.

use std::cell::{Cell, RefCell};

use gingham_engine::attachment::{Answer, AwaitedFacts, Request};
use gingham_engine::history::Refused;
use gingham_engine::ipam::IpamError;
use gingham_engine::policy_counters::RequestEnd;

/// For the network's history, and for who counts what a policy does.
#[derive(Default)]
pub struct Observed {
    /// The ranges of the blocks that this node held when the policy chose last.
    pub(crate) blocks: RefCell<Option<Vec<String>>>,
    /// What the policy answered, without what follows from the cluster: the node's gateway and the routes to it.
    pub(crate) answer: RefCell<Option<Answer>>,
    /// The node's own request, if its address was leased in the same transaction.
    pub(crate) own: RefCell<Option<(Request, Answer)>>,
    /// What the policy refused last.
    pub(crate) refusal: RefCell<Option<Refused>>,
    /// The awaited fact that a policy read last.
    pub(crate) awaited: Cell<Option<AwaitedFacts>>,
    /// How the last call of the policy ended, if it gave no address.
    pub(crate) end: Cell<Option<RequestEnd>>,
}

impl Observed {
    pub(super) fn error(&self, error: &IpamError) {
        let refused = if let IpamError::Refused { refusal, .. } = error { Some(refusal.into()) } else { None };
        *self.refusal.borrow_mut() = refused;
        self.awaited.set(if let IpamError::FactAwaited { fact, .. } = error { Some(*fact) } else { None });
        self.end.set(match error {
            IpamError::Refused { .. } => Some(RequestEnd::Refused),
            IpamError::Problems { .. }
            | IpamError::Fault { .. }
            | IpamError::Pools { .. }
            | IpamError::Guard { .. }
            | IpamError::Cluster { .. } => Some(RequestEnd::Failed),
            // No fault of the policy.
            IpamError::AlreadyAttached { .. }
            | IpamError::FactAwaited { .. }
            | IpamError::Process { .. }
            | IpamError::Store(_) => None,
        });
    }
}
