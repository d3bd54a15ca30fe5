//! A process of a node: one task of the engine, and the call it waits for.

use gingham_ownership::beat::Beat;
use gingham_ownership::claim::{Claim, ClaimError, Claimed};
use gingham_ownership::confirm::{Confirm, Confirmed};
use gingham_ownership::error::ClusterError;
use gingham_ownership::join::{Join, Joined};
use gingham_ownership::leave::Leave;
use gingham_ownership::local::LocalState;
use gingham_ownership::release::{Release, Released};
use gingham_ownership::shared_store::{Call, Reply};
use gingham_ownership::sync::{Sync, SyncError, Synced};
use gingham_ownership::takeover::{Observation, Observe, TakenOver, Takeover};
use gingham_ownership::task::{Step, Task};

use crate::chooser::{AnyChooser, Exhausted};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // Four at most for a machine.
pub enum Running {
    Join(Join),
    Claim(Claim<AnyChooser>),
    Release(Release),
    Sync(Sync),
    Confirm(Confirm),
    Beat(Beat),
    Leave(Leave),
    Observe(Observe),
    Takeover(Takeover),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    Join(Result<Joined, ClusterError>),
    Claim(Result<Claimed, ClaimError<Exhausted>>),
    Release(Result<Released, ClusterError>),
    Sync(Result<Synced, SyncError>),
    Confirm(Result<Confirmed, ClusterError>),
    Beat(Result<(), ClusterError>),
    Leave(Result<(), ClusterError>),
    Observe(Result<Observation, ClusterError>),
    Takeover(Result<TakenOver, ClusterError>),
}

impl Outcome {
    /// Why nothing came of it, if so.
    pub fn error(&self) -> Option<&ClusterError> {
        match self {
            Self::Join(Err(error))
            | Self::Claim(Err(ClaimError::Cluster(error)))
            | Self::Release(Err(error))
            | Self::Sync(Err(SyncError { error, .. }))
            | Self::Confirm(Err(error))
            | Self::Beat(Err(error))
            | Self::Leave(Err(error))
            | Self::Observe(Err(error))
            | Self::Takeover(Err(error)) => Some(error),
            _ => None,
        }
    }
}

fn over<T>(step: Step<T>, outcome: impl Fn(T) -> Outcome) -> Step<Outcome> {
    match step {
        Step::Call(call) => Step::Call(call),
        Step::Done(output) => Step::Done(outcome(output)),
    }
}

impl Task for Running {
    type Output = Outcome;

    fn start(&mut self, local: &mut LocalState, now: u64) -> Step<Outcome> {
        match self {
            Self::Join(task) => over(task.start(local, now), Outcome::Join),
            Self::Claim(task) => over(task.start(local, now), Outcome::Claim),
            Self::Release(task) => over(task.start(local, now), Outcome::Release),
            Self::Sync(task) => over(task.start(local, now), Outcome::Sync),
            Self::Confirm(task) => over(task.start(local, now), Outcome::Confirm),
            Self::Beat(task) => over(task.start(local, now), Outcome::Beat),
            Self::Leave(task) => over(task.start(local, now), Outcome::Leave),
            Self::Observe(task) => over(task.start(local, now), Outcome::Observe),
            Self::Takeover(task) => over(task.start(local, now), Outcome::Takeover),
        }
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Step<Outcome> {
        match self {
            Self::Join(task) => over(task.resume(reply, local, now), Outcome::Join),
            Self::Claim(task) => over(task.resume(reply, local, now), Outcome::Claim),
            Self::Release(task) => over(task.resume(reply, local, now), Outcome::Release),
            Self::Sync(task) => over(task.resume(reply, local, now), Outcome::Sync),
            Self::Confirm(task) => over(task.resume(reply, local, now), Outcome::Confirm),
            Self::Beat(task) => over(task.resume(reply, local, now), Outcome::Beat),
            Self::Leave(task) => over(task.resume(reply, local, now), Outcome::Leave),
            Self::Observe(task) => over(task.resume(reply, local, now), Outcome::Observe),
            Self::Takeover(task) => over(task.resume(reply, local, now), Outcome::Takeover),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Leg {
    /// On its way to the store.
    There(Call),
    /// A list of which the blocks are read and the members are not.
    Half(Reply),
    /// Carried out; the reply is on its way.
    Back(Reply),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Process {
    pub task: Running,
    pub leg: Leg,
}
