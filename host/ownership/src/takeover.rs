//! Ending the membership of a node that is gone, so that others may claim its blocks.
//!
//! One write does it: the member's record says up to which incarnation blocks are free. So a takeover is done or not,
//! twice is as good as once, and a node that comes back finds its old blocks ended whatever it remembers.
//!
//! Nothing here can know that a node's containers are gone. A silent node is not a dead one (rule R8): the order to take
//! it over is a person's, or comes from where machines are deleted.

mod observe;

use super::error::ClusterError;
use super::local::LocalState;
use super::record::{self, LifeRecord, MemberRecord, Membership};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Record, Reply};
use super::task::{MOST_FOLLOWED, Outstanding, Step, Task};

pub use super::observation::Observation;
pub use observe::Observe;

/// Ends another's membership, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Takeover {
    observation: Observation,
    force: bool,
    is_ordered: bool,
    watch: Watch,
    /// How often a foreign write to the member's record was met.
    followed: u8,
    rules: Rules,
    stage: Stage,
    out: Outstanding,
}

/// What a sign of life means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Watch {
    /// It must be the same as before, or missing as before.
    Same,
    /// It must be there, and the same.
    Expected,
    /// It must not be another one.
    Veto,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    LookingAgain,
    Ending,
    /// Reads the record again: what rule R6 forbids.
    Rereading,
}

/// A node whose membership is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TakenOver {
    pub node: String,
    /// Blocks of incarnations up to this one are free.
    pub fenced: u64,
}

type Next = Result<Step<Result<TakenOver, ClusterError>>, ClusterError>;

impl Takeover {
    /// By a person's order. The caller has waited for two beats of [`super::beat`] and some more since the observation.
    /// With `force`, a sign of life since then does not matter; that the node came back does.
    pub fn ordered(observation: Observation, force: bool) -> Self {
        Self {
            observation,
            force,
            is_ordered: true,
            watch: Watch::Same,
            followed: 0,
            rules: Rules::default(),
            stage: Stage::LookingAgain,
            out: Outstanding::default(),
        }
    }

    /// Where every node shows life without its own doing, as a kubelet does by its Lease: there a node without a sign of
    /// life is not known to be dead (rule R10). A Lease can be deleted from under a living node.
    #[must_use]
    pub fn expecting_life(mut self) -> Self {
        self.watch = Watch::Expected;
        self
    }

    /// By the order that the node's deletion from the cluster is: then a sign of life that ended with it is none, and only
    /// a later one shows that the node lives.
    #[must_use]
    pub fn of_a_deleted_node(mut self) -> Self {
        self.watch = Watch::Veto;
        self
    }

    /// Because of silence, which rule R8 forbids.
    #[cfg(feature = "proof")]
    pub fn upon_silence(observation: Observation) -> Self {
        Self { is_ordered: false, ..Self::ordered(observation, false) }
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn begin(&mut self, local: &LocalState) -> Next {
        let node = self.observation.node.clone();
        if node == local.node() {
            return Err(ClusterError::OwnNode { node });
        }
        if !self.is_ordered && self.rules.hold(Rule::R8) {
            return Err(ClusterError::OnlySilent { node });
        }
        if self.observation.member.membership != Membership::Member && !self.observation.member.is_alive() {
            return Ok(Step::Done(Ok(self.done(self.observation.member.fenced))));
        }
        if self.force {
            return Ok(self.end());
        }
        if self.watch == Watch::Expected && self.observation.life.is_none() && self.rules.hold(Rule::R10) {
            return Err(ClusterError::LifeUnknown { node });
        }
        self.stage = Stage::LookingAgain;
        Ok(Step::Call(self.out.send(Call::Get { key: record::life_key(&node) })))
    }

    fn done(&self, fenced: u64) -> TakenOver {
        TakenOver { node: self.observation.node.clone(), fenced }
    }

    fn looked_again(&mut self, reply: Reply) -> Next {
        let Reply::Got(found) = reply else { return Err(ClusterError::UnexpectedReply) };
        let key = record::life_key(&self.observation.node);
        let life = found.and_then(|found| record::read::<LifeRecord>(&key, &found.value).ok());
        let is_alive = life != self.observation.life && (life.is_some() || self.watch != Watch::Veto);
        if is_alive {
            return Err(ClusterError::Alive { node: self.observation.node.clone() });
        }
        Ok(self.end())
    }

    fn end(&mut self) -> Step<Result<TakenOver, ClusterError>> {
        self.stage = Stage::Ending;
        let call = Call::Update {
            key: record::member_key(&self.observation.node),
            value: record::write(&self.observation.member.ended(Membership::Taken)),
            expected: self.observation.version,
        };
        Step::Call(self.out.send(call))
    }

    fn ended(&mut self, reply: Reply) -> Next {
        match reply {
            Reply::Written(_) => Ok(Step::Done(Ok(self.done(self.observation.member.incarnation)))),
            Reply::Conflict(found) => {
                let now = found.map(|found| self.read(&found).map(|record| (record, found.version))).transpose()?;
                match now {
                    // Another one's takeover, or our own write, of which the reply was lost.
                    Some((record, _)) if record.fenced >= self.observation.member.incarnation => {
                        Ok(Step::Done(Ok(self.done(record.fenced))))
                    }
                    // A label, or a status: the membership that was seen dead is still the present one.
                    Some((record, version)) if record == self.observation.member && self.followed < MOST_FOLLOWED => {
                        self.followed += 1;
                        self.observation.version = version;
                        Ok(self.end())
                    }
                    Some(_) if !self.rules.hold(Rule::R6) => {
                        self.stage = Stage::Rereading;
                        Ok(Step::Call(self.out.send(Call::Get { key: record::member_key(&self.observation.node) })))
                    }
                    _ => Err(ClusterError::CameBack { node: self.observation.node.clone() }),
                }
            }
            _ => Err(ClusterError::UnexpectedReply),
        }
    }

    fn reread(&mut self, reply: Reply) -> Next {
        let Reply::Got(Some(found)) = reply else { return Err(ClusterError::UnexpectedReply) };
        self.observation.member = self.read(&found)?;
        self.observation.version = found.version;
        Ok(self.end())
    }

    fn read(&self, found: &Record) -> Result<MemberRecord, ClusterError> {
        Ok(record::read(&record::member_key(&self.observation.node), &found.value)?)
    }

    fn next(&mut self, reply: Reply) -> Next {
        match reply {
            Reply::Unknown(fault) => return Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => return Err(fault.into()),
            _ => {}
        }
        match self.stage {
            Stage::LookingAgain => self.looked_again(reply),
            Stage::Ending => self.ended(reply),
            Stage::Rereading => self.reread(reply),
        }
    }
}

impl Task for Takeover {
    type Output = Result<TakenOver, ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.begin(local).unwrap_or_else(|error| Step::Done(Err(error)))
    }

    fn resume(&mut self, reply: Reply, _local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
