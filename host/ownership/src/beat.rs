//! A sign of life, which a takeover of this node looks for.

use super::error::ClusterError;
use super::local::LocalState;
use super::record::{self, LifeRecord};
use super::shared_store::{Call, Reply, Version};
use super::task::{Outstanding, Step, Task};

/// Milliseconds between two beats.
pub const PERIOD: u64 = 5_000;
/// Milliseconds after which a node that beats has beaten: two beats and some more.
pub const WATCH: u64 = 2 * PERIOD + 2_000;
/// The same for a node whose sign of life is its kubelet's Lease, which is renewed every 10 s.
pub const LEASE_WATCH: u64 = 25_000;

/// One beat. The agent keeps it and starts it again each time, so that it need not read before it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Beat {
    out: Outstanding,
    incarnation: u64,
    count: u64,
    /// Of the record that was there last.
    seen: Option<Version>,
    conflicts: u8,
}

type Next = Result<Step<Result<(), ClusterError>>, ClusterError>;

impl Beat {
    pub fn new() -> Self {
        Self::default()
    }

    fn write(&mut self, local: &LocalState) -> Step<Result<(), ClusterError>> {
        let key = record::life_key(local.node());
        let value = record::write(&LifeRecord { incarnation: self.incarnation, beat: self.count });
        let call = match self.seen {
            None => Call::Create { key, value },
            Some(expected) => Call::Update { key, value, expected },
        };
        Step::Call(self.out.send(call))
    }

    fn next(&mut self, reply: Reply, local: &LocalState) -> Next {
        local.require_still_member(self.incarnation)?;
        match reply {
            Reply::Written(version) => {
                self.seen = Some(version);
                Ok(Step::Done(Ok(())))
            }
            Reply::Conflict(found) => {
                self.seen = found.as_ref().map(|found| found.version);
                let life = found
                    .and_then(|found| record::read::<LifeRecord>(&record::life_key(local.node()), &found.value).ok());
                if let Some(life) = life {
                    if life.incarnation > self.incarnation {
                        return Err(ClusterError::Superseded { node: local.node().to_owned() });
                    }
                    self.count = self.count.max(life.beat.wrapping_add(1));
                }
                self.conflicts += 1;
                if self.conflicts > 2 { Err(ClusterError::Contended) } else { Ok(self.write(local)) }
            }
            Reply::Unknown(fault) => Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => Err(fault.into()),
            _ => Err(ClusterError::UnexpectedReply),
        }
    }
}

impl Task for Beat {
    type Output = Result<(), ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        match local.require_member() {
            Ok(incarnation) => self.incarnation = incarnation,
            Err(error) => return Step::Done(Err(error)),
        }
        self.conflicts = 0;
        self.count = self.count.wrapping_add(1);
        self.write(local)
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply, local).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
