//! Giving blocks back.
//!
//! A block leaves the local state, durably, before the delete of its record can leave the node (rule R1). If it
//! is unknown what became of the delete, the block stays out until the delete has been repeated, or until a claim has taken
//! the block back by a write that makes the delete impossible (rule R2).
//!
//! A store in which others write to a record without changing what it says (a label on a Kubernetes object) refuses
//! the delete, too. Then the delete follows to the later version, or the block would stay this node's unused (rule R9).

use ipnet::IpNet;

use super::error::ClusterError;
use super::local::LocalState;
use super::record::{self, BlockRecord};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Record, Reply, StoreFault, Version};
use super::sync::ours;
use super::task::{MOST_FOLLOWED, Outstanding, Step, Task};

/// Gives idle blocks back, and those of which it is not known whether they were.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Release {
    idle: Vec<IpNet>,
    rules: Rules,
    out: Outstanding,
    left: Vec<(IpNet, Version)>,
    /// Whether the record is being read instead: what rule R2 forbids.
    reading: bool,
    /// How often the present block's delete has followed to a later version.
    followed: u8,
    released: Released,
}

/// What became of the blocks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Released {
    /// Given back.
    pub blocks: Vec<IpNet>,
    /// It is unknown, and why: nothing is allocated from them, and the next release tries again.
    pub unsure: Vec<(IpNet, StoreFault)>,
}

impl Release {
    /// Gives these blocks back. The caller has found that none of them holds an address that is leased or cools, in the
    /// very transaction in which it calls [`Task::start`]. With none, it only ends what was begun before.
    pub fn new(idle: Vec<IpNet>) -> Self {
        Self {
            idle,
            rules: Rules::default(),
            out: Outstanding::default(),
            left: Vec::new(),
            reading: false,
            followed: 0,
            released: Released::default(),
        }
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn next_block(&mut self) -> Step<Result<Released, ClusterError>> {
        self.left.pop();
        self.followed = 0;
        self.delete()
    }

    fn delete(&mut self) -> Step<Result<Released, ClusterError>> {
        match self.left.last() {
            None => Step::Done(Ok(std::mem::take(&mut self.released))),
            Some((block, expected)) => {
                let call = Call::Delete { key: record::block_key(*block), expected: *expected };
                Step::Call(self.out.send(call))
            }
        }
    }

    fn end(&mut self, block: IpNet, version: Version, local: &mut LocalState) -> Step<Result<Released, ClusterError>> {
        if !self.rules.hold(Rule::R1) && local.known(block) == version {
            local.lose(block);
        }
        local.end_release(block, version);
        self.next_block()
    }

    fn unsure(&mut self, fault: StoreFault) -> Step<Result<Released, ClusterError>> {
        self.reading = false;
        if let Some((block, _)) = self.left.last() {
            self.released.unsure.push((*block, fault));
        }
        self.next_block()
    }

    /// The version that the delete has to follow to: the record is still this node's, and later because of another's write.
    /// A block that another process of this node took back is not being given back any more.
    fn later_version(&self, found: Option<Record>, local: &mut LocalState) -> Option<Version> {
        let (block, version) = self.left.last().copied()?;
        let later = ours(found, local, block).filter(|_| self.rules.hold(Rule::R9))?;
        local.follow_release(block, version, later).then_some(later)
    }

    fn follow(&mut self, later: Version) -> Step<Result<Released, ClusterError>> {
        self.followed += 1;
        if self.followed > MOST_FOLLOWED {
            let reason = "its record is written to by others all the time, so it cannot be deleted in the version seen";
            return self.unsure(StoreFault::Unreachable(reason.into()));
        }
        if let Some((_, version)) = self.left.last_mut() {
            *version = later;
        }
        self.delete()
    }

    /// Without rule R2: what is still there is taken to stay.
    fn read(&mut self, reply: &Reply, local: &mut LocalState) -> Step<Result<Released, ClusterError>> {
        self.reading = false;
        let Some((block, version)) = self.left.last().copied() else {
            return Step::Done(Err(ClusterError::UnexpectedReply));
        };
        match reply {
            Reply::Got(Some(found)) if found.version == version => {
                let record = record::read::<BlockRecord>(&record::block_key(block), &found.value);
                if record.is_ok_and(|record| record.is_of(local.node(), local.incarnation()))
                    && local.require_member().is_ok()
                {
                    local.adopt_any(block, version, 0);
                }
            }
            _ => local.end_release(block, version),
        }
        self.next_block()
    }
}

impl Task for Release {
    type Output = Result<Released, ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        if let Err(error) = local.require_member() {
            return Step::Done(Err(error));
        }
        if self.rules.hold(Rule::R1) {
            for block in &self.idle {
                local.begin_release(*block);
            }
            self.left = local.releasing();
        } else {
            self.left = local.releasing();
            self.left.extend(self.idle.iter().filter(|block| local.holds(**block)).map(|b| (*b, local.known(*b))));
        }
        self.delete()
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        let Some((block, version)) = self.left.last().copied() else {
            return Step::Done(Err(ClusterError::UnexpectedReply));
        };
        match reply {
            Reply::Unknown(fault) if self.reading => self.unsure(fault),
            Reply::Unknown(_) if !self.rules.hold(Rule::R2) => {
                self.reading = true;
                Step::Call(self.out.send(Call::Get { key: record::block_key(block) }))
            }
            Reply::Unknown(fault) => match self.out.repeat(fault) {
                Ok(call) => Step::Call(call),
                Err(fault) => self.unsure(fault),
            },
            Reply::Refused(fault) => self.unsure(fault),
            reply if self.reading => self.read(&reply, local),
            Reply::Conflict(found) => match self.later_version(found, local) {
                Some(later) => self.follow(later),
                // That version is gone already, by a delete of which the reply was lost, or written over.
                None => self.end(block, version, local),
            },
            Reply::Deleted => {
                self.released.blocks.push(block);
                self.end(block, version, local)
            }
            _ => Step::Done(Err(ClusterError::UnexpectedReply)),
        }
    }
}
