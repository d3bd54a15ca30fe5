//! Confirming that this node still is the member that it takes itself for (rule R11): a read of its own record. After silence
//! also a write of it, so that a takeover that is under way meets another record than the one it observed (rule R12).

use super::error::ClusterError;
use super::local::LocalState;
use super::record::{self, MemberRecord, Membership};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Record, Reply, Version};
use super::task::{MOST_FOLLOWED, Outstanding, Step, Task};

/// Reads the node's own record, and writes it if the last confirmation has ended. If the membership is over, the blocks are
/// given up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Confirm {
    /// Milliseconds since the machine started.
    begun: u64,
    incarnation: u64,
    version_before: Version,
    /// How often a foreign write to the record was met.
    followed: u8,
    corrects: Option<Membership>,
    rules: Rules,
    stage: Stage,
    out: Outstanding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Reading,
    /// `confirmed` of the record that was sent.
    Writing {
        confirmed: u64,
    },
}

/// The membership is what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Confirmed {
    /// What the record said instead, which only an edit by hand can have written.
    pub corrected: Option<Membership>,
}

type Next = Result<Step<Result<Confirmed, ClusterError>>, ClusterError>;

impl Confirm {
    /// `uptime`: what [`LocalState::is_confirmed`] compares with, now.
    pub fn new(uptime: u64) -> Self {
        Self {
            begun: uptime,
            incarnation: 0,
            version_before: Version(0),
            followed: 0,
            corrects: None,
            rules: Rules::default(),
            stage: Stage::Reading,
            out: Outstanding::default(),
        }
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn read_own(&self, found: Option<Record>, local: &mut LocalState) -> Result<(MemberRecord, Version), ClusterError> {
        local.require_still_member(self.incarnation)?;
        let key = record::member_key(local.node());
        let version = found.as_ref().map(|found| found.version).unwrap_or_default();
        let own = found.map(|found| record::read::<MemberRecord>(&key, &found.value)).transpose()?;
        local.check_own_record(own.as_ref())?;
        let own = own.ok_or_else(|| ClusterError::Fenced { node: local.node().to_owned() })?;
        Ok((own, version))
    }

    fn looked(&mut self, found: Option<Record>, local: &mut LocalState) -> Next {
        let (own, version) = self.read_own(found, local)?;
        // In touch all the time: no takeover can have begun.
        let is_in_touch = local.is_confirmed(self.begun, self.rules) || !self.rules.hold(Rule::R12);
        // What a leave or a takeover ends is fenced as well. Anything else was edited by hand.
        self.corrects = (own.membership != Membership::Member).then_some(own.membership);
        if is_in_touch && self.corrects.is_none() {
            return Ok(self.done(local));
        }
        Ok(self.write(&own, version, local))
    }

    fn write(
        &mut self,
        own: &MemberRecord,
        expected: Version,
        local: &LocalState,
    ) -> Step<Result<Confirmed, ClusterError>> {
        let next = own.confirmed_again();
        self.stage = Stage::Writing { confirmed: next.confirmed };
        let (key, value) = (record::member_key(local.node()), record::write(&next));
        Step::Call(self.out.send(Call::Update { key, value, expected }))
    }

    fn wrote(&mut self, written: Version, local: &mut LocalState) -> Next {
        local.require_still_member(self.incarnation)?;
        local.note_written(self.version_before, written)?;
        Ok(self.done(local))
    }

    fn was_late(&mut self, confirmed: u64, found: Option<Record>, local: &mut LocalState) -> Next {
        let (own, version) = self.read_own(found, local)?;
        // Our own write, of which the reply was lost, or that of another process of this node.
        if own.confirmed >= confirmed {
            return Ok(self.done(local));
        }
        self.followed += 1;
        if self.followed > MOST_FOLLOWED { Err(ClusterError::Contended) } else { Ok(self.write(&own, version, local)) }
    }

    fn done(&self, local: &mut LocalState) -> Step<Result<Confirmed, ClusterError>> {
        local.confirm(self.begun);
        Step::Done(Ok(Confirmed { corrected: self.corrects }))
    }

    fn next(&mut self, reply: Reply, local: &mut LocalState) -> Next {
        match (self.stage, reply) {
            (_, Reply::Unknown(fault)) => Ok(Step::Call(self.out.repeat(fault)?)),
            (_, Reply::Refused(fault)) => Err(fault.into()),
            (Stage::Reading, Reply::Got(found)) => self.looked(found, local),
            (Stage::Writing { .. }, Reply::Written(version)) => self.wrote(version, local),
            (Stage::Writing { confirmed }, Reply::Conflict(found)) => self.was_late(confirmed, found, local),
            _ => Err(ClusterError::UnexpectedReply),
        }
    }
}

impl Task for Confirm {
    type Output = Result<Confirmed, ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        match local.require_member() {
            Ok(incarnation) => {
                (self.incarnation, self.version_before) = (incarnation, local.highest());
                Step::Call(self.out.send(Call::Get { key: record::member_key(local.node()) }))
            }
            Err(error) => Step::Done(Err(error)),
        }
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply, local).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
