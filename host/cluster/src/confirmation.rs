//! Whether another node may have taken this one over while it could not see that (rule R11). Where the plugin cannot ask the
//! store itself, its agent does.

use std::time::{Duration, Instant};

use gingham_ownership::confirm::{Confirm, Confirmed};
use gingham_ownership::local::{LocalState, MembershipState};
use gingham_ownership::rules::Rules;
use rustix::time::{ClockId, clock_gettime};

use crate::Cluster;
use crate::error::Fault;
use crate::state::Kept;

/// Whether a member may give new addresses without another look at the store. One that is no member has none to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Holds,
    /// The agent has not looked for minutes.
    Expired,
    /// The agent looked, and the store did not answer.
    Withdrawn,
}

impl Cluster<'_> {
    /// Reads this node's own record, and after silence writes it: another node may have ended its membership, or be about to.
    ///
    /// # Errors
    /// [`Fault`]; if the membership is over, the blocks are given up.
    pub fn confirm(&mut self, deadline: Instant) -> Result<Confirmed, Fault> {
        let (confirmed, _) = self.drive(Confirm::new(uptime()), deadline)?;
        Ok(confirmed?)
    }

    /// Has the plugin ask the agent before it gives a new address: the store cannot be asked, and another node may take this
    /// one over.
    pub fn doubt(&mut self) -> Result<(), Fault> {
        self.change(LocalState::doubt)
    }

    /// Whether this node's own state has a confirmation that still counts.
    pub fn is_in_touch(&self) -> Result<bool, Fault> {
        Ok(self.local(&self.ledger()?)?.is_confirmed(uptime(), Rules::default()))
    }

    pub(crate) fn note_joined(&mut self, begun: Duration) -> Result<(), Fault> {
        self.change(|local| local.confirm(millis(begun)))
    }

    /// Whether this process may give new addresses of the blocks that this node holds.
    pub(crate) fn is_confirmed(&self, local: &LocalState) -> bool {
        self.agent_socket().is_none() || self.is_vouched || local.is_confirmed(uptime(), Rules::default())
    }

    pub(crate) fn confirmation(&self) -> Result<Confirmation, Fault> {
        Ok(match self.kept(&self.ledger()?)? {
            Kept::Shared(local) if self.is_ours(&local) && local.membership() == MembershipState::Member => {
                match (self.is_confirmed(&local), local.is_doubted()) {
                    (true, _) => Confirmation::Holds,
                    (false, true) => Confirmation::Withdrawn,
                    (false, false) => Confirmation::Expired,
                }
            }
            Kept::Nothing | Kept::Shared(_) | Kept::Fixed(_) => Confirmation::Holds,
        })
    }
}

/// Since the machine started, its sleep included. Nothing sets this clock.
pub(crate) fn running_for() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}

fn uptime() -> u64 {
    millis(running_for())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
