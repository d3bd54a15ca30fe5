//! How tasks are driven.
//!
//! ```text
//!   lock the node's store, read LocalState, task.start, write LocalState if it changed, commit, unlock
//!   loop: Call -> carry it out (no lock)
//!         lock, read LocalState again, task.resume with the reply, write, commit, unlock
//!         Done -> the output
//! ```
//!
//! - A call leaves only after what the step changed is durable. An output counts only after that, too.
//! - Several processes of a node may run tasks at the same time, and any may die, or give up, between two steps: a task
//!   can be dropped whenever a call is out. It needs no notice.
//! - A reply may be very late. Carrying out a call twice is not permitted to the driver: a task repeats it itself when
//!   the reply was [`Reply::Unknown`].

use super::local::LocalState;
use super::shared_store::{Call, Reply, StoreFault};

/// What a task wants next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step<T> {
    /// This call carried out, and [`Task::resume`] called with the reply.
    Call(Call),
    Done(T),
}

pub trait Task {
    type Output;

    /// The first step. `now` is in milliseconds since the epoch.
    fn start(&mut self, local: &mut LocalState, now: u64) -> Step<Self::Output>;

    /// The next step, with the reply to the call of the one before.
    fn resume(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Step<Self::Output>;
}

/// How often a call is repeated whose reply was [`Reply::Unknown`], before the task gives up. Giving up is always safe.
const REPETITIONS: u8 = 2;

/// How often a write follows to a later version of a record that others write to without changing what it says.
pub(super) const MOST_FOLLOWED: u8 = 8;

/// The call that is out, to be repeated while it is unknown what became of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Outstanding {
    call: Option<Call>,
    repeated: u8,
}

impl Outstanding {
    pub(super) fn send(&mut self, call: Call) -> Call {
        *self = Self { call: Some(call.clone()), repeated: 0 };
        call
    }

    /// The same call once more. Refused after some times: then the fault is the answer.
    pub(super) fn repeat(&mut self, fault: StoreFault) -> Result<Call, StoreFault> {
        self.repeated += 1;
        self.call.clone().filter(|_| self.repeated <= REPETITIONS).ok_or(fault)
    }
}
