//! Joining: this node's present life gets an incarnation of its own in the store (rule R5), and the node takes back the
//! blocks it held in earlier ones (rule R7).
//!
//! Whatever was on its way to the store in an earlier incarnation may still arrive: a delete of a block that was being given
//! back, sent by a node that has forgotten it because its disk is an older image. So a block of an earlier incarnation is
//! taken back by writing it again, never by reading alone; after that, a delete of the old version does nothing.

mod identity;

use ipnet::IpNet;

use super::error::ClusterError;
use super::grid::Grid;
use super::local::{LocalState, MembershipState};
use super::observation::Observation;
use super::record::{self, BlockRecord, ConfigRecord, MemberRecord, Membership, Seen, Unreadable};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Reply, Version};
use super::snapshot::Snapshot;
use super::task::{Outstanding, Step, Task};

pub use identity::Identity;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Join {
    identity: Identity,
    grids: Vec<Grid>,
    policy: String,
    watched: Option<Observation>,
    rules: Rules,
    stage: Stage,
    out: Outstanding,
    version_before: Version,
    conflicts: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Listing,
    Configuring,
    Registering(Plan),
    TakingBack(Plan),
}

/// What is to be done once the store has the incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Plan {
    incarnation: u64,
    /// Blocks of this incarnation already, with their versions.
    ours: Vec<(IpNet, Version)>,
    /// Blocks of earlier incarnations that are to be written again; the next one last.
    earlier: Vec<(IpNet, Version)>,
    /// Blocks up to this incarnation are left alone.
    orphaned: u64,
    left_alone: Vec<IpNet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Joined {
    pub incarnation: u64,
    /// The blocks it has now.
    pub held: Vec<IpNet>,
    /// Blocks it held before and could not take back: other nodes claimed them.
    pub lost: Vec<IpNet>,
    /// Blocks of an earlier disk of this boot: their leases are lost, and containers may use their addresses.
    pub left_alone: Vec<IpNet>,
}

/// How often another writer may be first.
const MOST_CONFLICTS: u8 = 8;

impl Join {
    /// Joins as this node, with the policy's grids. `policy` is its name.
    pub fn new(identity: Identity, grids: Vec<Grid>, policy: &str) -> Self {
        Self {
            identity,
            grids,
            policy: policy.to_owned(),
            watched: None,
            rules: Rules::default(),
            stage: Stage::Listing,
            out: Outstanding::default(),
            version_before: Version(0),
            conflicts: 0,
        }
    }

    /// After [`ClusterError::Suspicious`]: goes on if nothing has changed since that observation. The caller has waited for
    /// two beats of [`super::beat`] and some more.
    #[must_use]
    pub fn having_watched(mut self, observation: Observation) -> Self {
        self.watched = Some(observation);
        self
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn list(&mut self, local: &LocalState) -> Step<Result<Joined, ClusterError>> {
        self.stage = Stage::Listing;
        self.version_before = local.highest();
        Step::Call(self.out.send(Call::List { prefix: String::new() }))
    }

    fn listed(
        &mut self,
        reply: Reply,
        local: &mut LocalState,
        now: u64,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        let Reply::Listed { records, at } = reply else { return Err(ClusterError::UnexpectedReply) };
        local.note_version(self.version_before, at)?;
        let snapshot = Snapshot::read(&records, at)?;
        snapshot.require_open()?;
        match &snapshot.config {
            None => {
                let config = ConfigRecord::new(self.grids.clone(), &self.policy);
                self.stage = Stage::Configuring;
                let call = Call::Create { key: record::CONFIG.into(), value: record::write(&config) };
                return Ok(Step::Call(self.out.send(call)));
            }
            Some(config) if config.grids != self.grids => {
                return Err(ClusterError::OtherGrids { theirs: config.grids.clone(), ours: self.grids.clone() });
            }
            Some(_) => {}
        }
        let key = record::member_key(local.node());
        if snapshot.unreadable.contains(&key) {
            return Err(Unreadable { key, reason: "it is not a member's record".into() }.into());
        }
        self.register(&snapshot, local, now)
    }

    fn register(
        &mut self,
        snapshot: &Snapshot,
        local: &mut LocalState,
        now: u64,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        let known = snapshot.members.get(local.node());
        if let Some(seen) = known {
            self.identity.check_name(local, seen, snapshot.life.get(local.node()), self.watched.as_ref())?;
        }
        let same = known.filter(|seen| self.goes_on(local, &seen.record)).map(|seen| seen.record.incarnation);
        let incarnation = same.unwrap_or_else(|| next_incarnation(snapshot, local));
        let plan = self.plan(snapshot, local, incarnation);
        let record = self.identity.record(local, known.map(|seen| &seen.record), incarnation, now);
        match known {
            Some(seen)
                if same.is_some() && self.identity.agrees(&seen.record) && !self.resumes(local, &seen.record) =>
            {
                self.begin(plan, local)
            }
            known => {
                self.stage = Stage::Registering(plan);
                let (key, value) = (record::member_key(local.node()), record::write(&record));
                let call = match known {
                    None => Call::Create { key, value },
                    Some(seen) => Call::Update { key, value, expected: seen.version },
                };
                Ok(Step::Call(self.out.send(call)))
            }
        }
    }

    /// Whether the record is of this life of the node already: written by another process of it, or by one that died.
    fn goes_on(&self, local: &LocalState, record: &MemberRecord) -> bool {
        let is_over = matches!(local.membership(), MembershipState::Left | MembershipState::Fenced);
        let is_known_over = is_over && record.incarnation == local.incarnation();
        let same_boot = record.boot == self.identity.boot && record.disk == local.disk();
        record.membership == Membership::Member
            && record.is_alive()
            && record.machine == self.identity.machine
            && (same_boot || !self.rules.hold(Rule::R5))
            && record.incarnation >= local.incarnation()
            && !is_known_over
    }

    /// Whether a process of this boot died while it joined: that may have been long ago, and a takeover under way.
    fn resumes(&self, local: &LocalState, record: &MemberRecord) -> bool {
        local.membership() != MembershipState::Member && record.boot == self.identity.boot && self.rules.hold(Rule::R12)
    }

    fn plan(&self, snapshot: &Snapshot, local: &LocalState, incarnation: u64) -> Plan {
        let known = snapshot.members.get(local.node()).map(|seen| &seen.record);
        let lost_its_disk = known.filter(|record| {
            // Its containers may still run, and their addresses are unknown.
            record.boot == self.identity.boot && record.disk != local.disk()
        });
        let orphaned = lost_its_disk.map_or(0, |record| record.incarnation);
        let mut plan = Plan { incarnation, ours: Vec::new(), earlier: Vec::new(), orphaned, left_alone: Vec::new() };
        let left_alone = |block: &BlockRecord| {
            let is_of_this_boot = local.boot() == self.identity.boot;
            block.incarnation <= orphaned || (is_of_this_boot && local.is_orphaned(block.incarnation))
        };
        for (block, Seen { record, version }) in snapshot.live_blocks() {
            let is_claimed_here = record.owner == local.node() && !record.is_edited();
            if !is_claimed_here || !self.grids.iter().any(|grid| grid.index(block).is_some()) {
                continue;
            }
            if record.incarnation == incarnation {
                plan.ours.push((block, *version));
            } else if left_alone(record) {
                plan.left_alone.push(block);
            } else {
                plan.earlier.push((block, *version));
            }
        }
        plan
    }

    /// The store has the incarnation.
    fn begin(
        &mut self,
        plan: Plan,
        local: &mut LocalState,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        let trusted: Vec<_> = local.blocks().copied().filter(|_| !self.rules.hold(Rule::R7)).collect();
        local.begin(plan.incarnation, &self.identity.machine, &self.identity.boot)?;
        local.mark_orphaned(plan.orphaned);
        for (block, version) in &plan.ours {
            if self.rules.hold(Rule::R5) {
                local.adopt(*block, *version, 0);
            } else {
                local.adopt_any(*block, *version, 0);
            }
        }
        for block in trusted {
            local.adopt_any(block.block, block.version, 0);
        }
        self.take_back(plan, local)
    }

    fn take_back(
        &mut self,
        plan: Plan,
        local: &mut LocalState,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        if let Some((block, version)) = plan.earlier.last() {
            let call = Call::Update {
                key: record::block_key(*block),
                value: record::write(&BlockRecord::new(local.node(), plan.incarnation)),
                expected: *version,
            };
            self.stage = Stage::TakingBack(plan);
            return Ok(Step::Call(self.out.send(call)));
        }
        let held_before = local.unsure();
        local.become_member(plan.incarnation, &self.grids)?;
        Ok(Step::Done(Ok(Joined {
            incarnation: plan.incarnation,
            held: local.held().collect(),
            lost: held_before,
            left_alone: plan.left_alone,
        })))
    }

    fn registered(
        &mut self,
        reply: &Reply,
        plan: Plan,
        local: &mut LocalState,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        match reply {
            Reply::Written(version) => {
                local.note_written(self.version_before, *version)?;
                self.begin(plan, local)
            }
            Reply::Conflict(_) => self.list_again(local),
            _ => Err(ClusterError::UnexpectedReply),
        }
    }

    fn took_back(
        &mut self,
        reply: Reply,
        mut plan: Plan,
        local: &mut LocalState,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        let Some((block, _)) = plan.earlier.pop() else { return Err(ClusterError::UnexpectedReply) };
        local.require_still_current(plan.incarnation)?;
        match reply {
            Reply::Written(version) => {
                local.adopt(block, version, 0);
            }
            // Our own write, of which the reply was lost, or another process's; or a delete that was on its way.
            Reply::Conflict(found) => {
                let key = record::block_key(block);
                let read = |found: super::shared_store::Record| {
                    record::read::<BlockRecord>(&key, &found.value).ok().map(|record| (record, found.version))
                };
                if let Some((record, version)) = found.and_then(read)
                    && record.is_of(local.node(), plan.incarnation)
                {
                    local.adopt(block, version, 0);
                }
            }
            _ => return Err(ClusterError::UnexpectedReply),
        }
        self.take_back(plan, local)
    }

    fn list_again(&mut self, local: &LocalState) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        self.conflicts += 1;
        if self.conflicts > MOST_CONFLICTS { Err(ClusterError::Contended) } else { Ok(self.list(local)) }
    }

    fn next(
        &mut self,
        reply: Reply,
        local: &mut LocalState,
        now: u64,
    ) -> Result<Step<Result<Joined, ClusterError>>, ClusterError> {
        match reply {
            Reply::Unknown(fault) => return Ok(Step::Call(self.out.repeat(fault)?)),
            Reply::Refused(fault) => return Err(fault.into()),
            _ => {}
        }
        match self.stage.clone() {
            Stage::Listing => self.listed(reply, local, now),
            // The next list shows who wrote it.
            Stage::Configuring => self.list_again(local),
            Stage::Registering(plan) => self.registered(&reply, plan, local),
            Stage::TakingBack(plan) => self.took_back(reply, plan, local),
        }
    }
}

/// Larger than whatever this name was ever known by.
fn next_incarnation(snapshot: &Snapshot, local: &LocalState) -> u64 {
    let member = snapshot.members.get(local.node()).map(|seen| seen.record.incarnation.max(seen.record.fenced));
    let of_blocks = snapshot.blocks.values().filter(|seen| seen.record.owner == local.node());
    let latest = of_blocks.map(|seen| seen.record.incarnation).chain(member).max();
    latest.unwrap_or(0).max(local.incarnation()) + 1
}

impl Task for Join {
    type Output = Result<Joined, ClusterError>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.list(local)
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Step<Self::Output> {
        self.next(reply, local, now).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
