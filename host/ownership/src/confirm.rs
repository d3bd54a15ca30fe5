//! Confirming that this node is still the member that it takes itself for (rule R11), at the price of one read.

use super::error::ClusterError;
use super::local::LocalState;
use super::record::{self, MemberRecord};
use super::shared_store::{Call, Reply};
use super::task::{Outstanding, Step, Task};

/// Reads the node's own record. If the membership is over, the blocks are given up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Confirm {
    /// Milliseconds since the machine started.
    begun: u64,
    incarnation: u64,
    out: Outstanding,
}

impl Confirm {
    /// `uptime`: what [`LocalState::is_confirmed`] compares with, now.
    pub fn new(uptime: u64) -> Self {
        Self { begun: uptime, incarnation: 0, out: Outstanding::default() }
    }

    fn next(&mut self, reply: Reply, local: &mut LocalState) -> Result<Step<Result<(), ClusterError>>, ClusterError> {
        let found = match reply {
            Reply::Got(found) => found,
            Reply::Unknown(fault) => return Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => return Err(fault.into()),
            _ => return Err(ClusterError::UnexpectedReply),
        };
        local.require_still_member(self.incarnation)?;
        let key = record::member_key(local.node());
        let own = found.map(|found| record::read::<MemberRecord>(&key, &found.value)).transpose()?;
        local.check_own_record(own.as_ref())?;
        local.confirm(self.begun);
        Ok(Step::Done(Ok(())))
    }
}

impl Task for Confirm {
    type Output = Result<(), ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        match local.require_member() {
            Ok(incarnation) => {
                self.incarnation = incarnation;
                Step::Call(self.out.send(Call::Get { key: record::member_key(local.node()) }))
            }
            Err(error) => Step::Done(Err(error)),
        }
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply, local).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
