//! Leaving the cluster: everything is given up locally first, then one write makes all blocks free for others.

use super::error::ClusterError;
use super::local::{LocalState, MembershipState};
use super::record::{self, MemberRecord, Membership};
use super::shared_store::{Call, Reply};
use super::task::{Outstanding, Step, Task};

/// Leaves. The caller has found that no container uses an address of the network, in the very transaction in which it
/// calls [`Task::start`] (or an operator overrode that).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Leave {
    out: Outstanding,
    incarnation: u64,
    conflicts: u8,
    writing: bool,
}

/// How often another process of this node may write first.
const MOST_CONFLICTS: u8 = 8;

type Next = Result<Step<Result<(), ClusterError>>, ClusterError>;

impl Leave {
    pub fn new() -> Self {
        Self::default()
    }

    fn look(&mut self, local: &LocalState) -> Step<Result<(), ClusterError>> {
        self.writing = false;
        Step::Call(self.out.send(Call::Get { key: record::member_key(local.node()) }))
    }

    fn looked(&mut self, reply: Reply, local: &LocalState) -> Next {
        let Reply::Got(found) = reply else { return Err(ClusterError::UnexpectedReply) };
        let Some(found) = found else { return Ok(Step::Done(Ok(()))) };
        let key = record::member_key(local.node());
        let record: MemberRecord = record::read(&key, &found.value)?;
        if record.incarnation != self.incarnation {
            return Err(ClusterError::Superseded { node: local.node().to_owned() });
        }
        if !record.is_alive() {
            return Ok(Step::Done(Ok(())));
        }
        self.writing = true;
        let value = record::write(&record.ended(Membership::Left));
        Ok(Step::Call(self.out.send(Call::Update { key, value, expected: found.version })))
    }

    fn next(&mut self, reply: Reply, local: &LocalState) -> Next {
        match reply {
            Reply::Unknown(fault) => return Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => return Err(fault.into()),
            _ => {}
        }
        if local.incarnation() != self.incarnation || local.membership() != MembershipState::Left {
            return Err(ClusterError::Superseded { node: local.node().to_owned() });
        }
        match reply {
            reply if !self.writing => self.looked(reply, local),
            Reply::Written(_) => Ok(Step::Done(Ok(()))),
            Reply::Conflict(_) if self.conflicts < MOST_CONFLICTS => {
                self.conflicts += 1;
                Ok(self.look(local))
            }
            Reply::Conflict(_) => Err(ClusterError::Contended),
            _ => Err(ClusterError::UnexpectedReply),
        }
    }
}

impl Task for Leave {
    type Output = Result<(), ClusterError>;

    /// A node that has left already repeats the write: it is unknown whether it arrived.
    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        match local.membership() {
            MembershipState::New => return Step::Done(Ok(())),
            MembershipState::Rebooted | MembershipState::Joining => {
                return Step::Done(Err(ClusterError::NotMember {
                    node: local.node().to_owned(),
                    state: local.membership(),
                }));
            }
            MembershipState::Member | MembershipState::Fenced | MembershipState::Left => {
                local.end_membership(MembershipState::Left);
            }
        }
        self.incarnation = local.incarnation();
        self.look(local)
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply, local).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
