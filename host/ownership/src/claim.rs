//! Getting one more block: the policy proposes it, the store decides.
//!
//! A block is claimed by creating its record, or by writing over one whose owner's membership was ended. Only after
//! that the node's own membership is looked at again: a claim that was made too late, by a node that was taken over
//! meanwhile, is not used.

use ipnet::IpNet;

use super::error::ClusterError;
use super::grid::{BlockMap, Grid};
use super::local::LocalState;
use super::record::{self, BlockRecord, MemberRecord};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Reply, Version};
use super::snapshot::Snapshot;
use super::sync::{ours, renewal, settle};
use super::task::{Outstanding, Step, Task};

/// Chooses the block to claim next: a policy.
pub trait Chooser {
    type Error;

    /// The next block of the grid the claim is for; one that is unclaimed in the block map.
    ///
    /// # Errors
    /// If there is none, or the policy fails.
    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, Self::Error>;
}

impl<C: Chooser> Chooser for &mut C {
    type Error = C::Error;

    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, C::Error> {
        (**self).next_block(block_map)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ClaimError<E> {
    #[error(transparent)]
    Cluster(ClusterError),
    #[error("the policy names no block to claim")]
    Refused(E),
    #[error("the policy proposed {block}, which {why}")]
    BadProposal { block: IpNet, why: String },
}

impl<E> From<ClusterError> for ClaimError<E> {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

/// A block of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claimed {
    pub block: IpNet,
    /// Whether it was another's whose membership was ended: its addresses cool first.
    pub was_anothers: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim<C> {
    chooser: C,
    grid: usize,
    cooldown: u64,
    rules: Rules,
    stage: Stage,
    out: Outstanding,
    version_before: Version,
    incarnation: u64,
    /// Of the config by which the block was chosen; 0 before a list.
    epoch: u64,
    rounds: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Listing,
    /// A block that was being given back is wanted again.
    TakingBack {
        block: IpNet,
        version: Version,
    },
    Claiming {
        block: IpNet,
        was_anothers: bool,
        last: Box<LastSnapshot>,
    },
    /// Written; now the fence.
    CheckingFence {
        claimed: Claimed,
        version: Version,
    },
}

/// The last snapshot, and what turned out otherwise since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LastSnapshot {
    snapshot: Snapshot,
    taken: Vec<IpNet>,
}

/// How often other nodes may be first before everything is read again …
const MOST_TAKEN: usize = 8;
/// … and so many times that.
const MOST_ROUNDS: u8 = 8;

type Done<E> = Result<Claimed, ClaimError<E>>;
type Next<E> = Result<Step<Done<E>>, ClaimError<E>>;

impl<C: Chooser> Claim<C> {
    /// Claims a block of the grid with this number. A block that was another's cools for `cooldown` milliseconds.
    pub fn new(chooser: C, grid: usize, cooldown: u64) -> Self {
        Self {
            chooser,
            grid,
            cooldown,
            rules: Rules::default(),
            stage: Stage::Listing,
            out: Outstanding::default(),
            version_before: Version(0),
            incarnation: 0,
            epoch: 0,
            rounds: 0,
        }
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn begin(&mut self, local: &LocalState) -> Next<C::Error> {
        self.incarnation = local.require_member()?;
        let grid = self.grid(local)?;
        let coming_back = local.releasing().into_iter().find(|(block, _)| grid.index(*block).is_some());
        let Some((block, version)) = coming_back else { return self.list(local) };
        self.version_before = local.highest();
        self.stage = Stage::TakingBack { block, version };
        Ok(Step::Call(self.out.send(renewal(local, block, version))))
    }

    fn grid(&self, local: &LocalState) -> Result<Grid, ClusterError> {
        local.grids().get(self.grid).copied().ok_or(ClusterError::NoConfig)
    }

    fn list(&mut self, local: &LocalState) -> Next<C::Error> {
        self.rounds += 1;
        if self.rounds > MOST_ROUNDS {
            return Err(ClusterError::Contended.into());
        }
        self.version_before = local.highest();
        self.stage = Stage::Listing;
        Ok(Step::Call(self.out.send(Call::List { prefix: String::new() })))
    }

    fn listed(&mut self, reply: Reply, local: &mut LocalState) -> Next<C::Error> {
        let Reply::Listed { records, at } = reply else { return Err(ClusterError::UnexpectedReply.into()) };
        local.note_version(self.version_before, at)?;
        let snapshot = Snapshot::read(&records, at)?;
        snapshot.require_open()?;
        self.epoch = snapshot.epoch();
        match &snapshot.config {
            None => return Err(ClusterError::NoConfig.into()),
            Some(config) if config.grids != local.grids() => {
                let (theirs, ours) = (config.grids.clone(), local.grids().to_vec());
                return Err(ClusterError::OtherGrids { theirs, ours }.into());
            }
            Some(_) => {}
        }
        let settled = settle(&snapshot, local, self.rules)?;
        let grid = self.grid(local)?;
        // An earlier claim whose reply was lost: no need for another one.
        let found = settled.adopted.into_iter().find(|block| grid.index(*block).is_some() && local.holds(*block));
        if let Some(block) = found {
            return Ok(Step::Done(Ok(Claimed { block, was_anothers: false })));
        }
        self.propose(LastSnapshot { snapshot, taken: Vec::new() }, local)
    }

    fn propose(&mut self, last: LastSnapshot, local: &LocalState) -> Next<C::Error> {
        let block = self.chooser.next_block(&self.block_map(&last, local)).map_err(ClaimError::Refused)?;
        self.check(block, &last, local)?;
        let (key, value) = (record::block_key(block), record::write(&BlockRecord::new(local.node(), self.incarnation)));
        // Who is dead has to be compared with: the record may have become another's.
        let dead = last.snapshot.blocks.get(&block).map(|seen| seen.version);
        let call = match dead {
            None => Call::Create { key, value },
            Some(expected) => Call::Update { key, value, expected },
        };
        self.stage = Stage::Claiming { block, was_anothers: dead.is_some(), last: Box::new(last) };
        Ok(Step::Call(self.out.send(call)))
    }

    fn block_map(&self, last: &LastSnapshot, local: &LocalState) -> BlockMap {
        let mut block_map = last.snapshot.block_map(local.node(), local.grids());
        for block in &last.taken {
            block_map.claim(*block, "?");
        }
        if !self.rules.hold(Rule::R3) && block_map.next_unclaimed(self.whole(local), None).is_none() {
            let others: Vec<IpNet> =
                block_map.claimed().filter(|(_, who)| *who != local.node()).map(|(b, _)| b).collect();
            for block in others {
                block_map.unclaim(block);
            }
        }
        block_map
    }

    fn whole(&self, local: &LocalState) -> crate::address::IpRange {
        let range = local.grids().get(self.grid).map(Grid::range);
        range.map_or(crate::address::IpRange::single(std::net::Ipv4Addr::UNSPECIFIED.into()), Into::into)
    }

    /// The policy proposes, the host disposes.
    fn check(&self, block: IpNet, last: &LastSnapshot, local: &LocalState) -> Result<(), ClaimError<C::Error>> {
        let bad = |why: String| Err(ClaimError::BadProposal { block, why });
        let grid = self.grid(local)?;
        if grid.index(block).is_none() {
            return bad(format!("is not a block of the grid {grid}"));
        }
        if last.taken.contains(&block) || last.snapshot.is_unreadable(block) {
            return bad("is claimed".into());
        }
        match last.snapshot.live_overlap(block) {
            Some((other, record)) if record.owner == local.node() || self.rules.hold(Rule::R3) => {
                bad(format!("is claimed: {other} is held by {}", record.owner))
            }
            _ => Ok(()),
        }
    }

    fn claimed(&mut self, reply: Reply, local: &LocalState) -> Next<C::Error> {
        let Stage::Claiming { block, was_anothers, mut last } = self.stage.clone() else {
            return Err(ClusterError::UnexpectedReply.into());
        };
        let version = match reply {
            Reply::Written(version) if version <= self.version_before => {
                return Err(ClusterError::rewound(self.version_before, version).into());
            }
            Reply::Written(version) => version,
            Reply::Conflict(found) => {
                let Some(version) = ours(found, local, block) else {
                    last.taken.push(block);
                    let read_again = was_anothers || last.taken.len() > MOST_TAKEN;
                    return if read_again { self.list(local) } else { self.propose(*last, local) };
                };
                // Our own write, of which the reply was lost, or another process's.
                version
            }
            _ => return Err(ClusterError::UnexpectedReply.into()),
        };
        Ok(self.check_own_record(Claimed { block, was_anothers }, version, local))
    }

    fn took_back(&mut self, reply: Reply, local: &mut LocalState) -> Next<C::Error> {
        let Stage::TakingBack { block, version: released } = self.stage else {
            return Err(ClusterError::UnexpectedReply.into());
        };
        let version = match reply {
            Reply::Written(version) => Some(version),
            Reply::Conflict(found) => ours(found, local, block),
            _ => return Err(ClusterError::UnexpectedReply.into()),
        };
        if let Some(version) = version {
            return Ok(self.check_own_record(Claimed { block, was_anothers: false }, version, local));
        }
        // It is given back after all. The next list shows whose it is now.
        local.end_release(block, released);
        self.list(local)
    }

    fn check_own_record(&mut self, claimed: Claimed, version: Version, local: &LocalState) -> Step<Done<C::Error>> {
        self.stage = Stage::CheckingFence { claimed, version };
        Step::Call(self.out.send(Call::Get { key: record::member_key(local.node()) }))
    }

    fn faced(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Next<C::Error> {
        let Stage::CheckingFence { claimed, version } = self.stage else {
            return Err(ClusterError::UnexpectedReply.into());
        };
        let Reply::Got(found) = reply else { return Err(ClusterError::UnexpectedReply.into()) };
        let key = record::member_key(local.node());
        let record = found.map(|found| record::read::<MemberRecord>(&key, &found.value)).transpose();
        let record = record.map_err(ClusterError::from)?;
        local.check_own_record(record.as_ref())?;
        if record.is_some_and(|record| record.closed > self.epoch) {
            // The network was closed since it was listed, and the claim may have come too late to be moved.
            return self.list(local);
        }
        let cooling_until = if claimed.was_anothers { now.saturating_add(self.cooldown) } else { 0 };
        let adopted = local.adopt(claimed.block, version, cooling_until);
        if adopted || local.holds(claimed.block) {
            return Ok(Step::Done(Ok(claimed)));
        }
        // It was claimed and given back by others of this node while this reply was on its way.
        self.list(local)
    }

    fn next(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Next<C::Error> {
        match reply {
            Reply::Unknown(fault) => {
                let again = self.out.repeat(fault).map_err(ClusterError::Store)?;
                return Ok(Step::Call(again));
            }
            Reply::Refused(fault) => return Err(ClusterError::Store(fault).into()),
            _ => {}
        }
        local.require_still_member(self.incarnation)?;
        match self.stage {
            Stage::Listing => self.listed(reply, local),
            Stage::TakingBack { .. } => self.took_back(reply, local),
            Stage::Claiming { .. } => self.claimed(reply, local),
            Stage::CheckingFence { .. } => self.faced(reply, local, now),
        }
    }
}

impl<C: Chooser> Task for Claim<C> {
    type Output = Result<Claimed, ClaimError<C::Error>>;

    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.begin(local).unwrap_or_else(|error| Step::Done(Err(error)))
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Step<Self::Output> {
        self.next(reply, local, now).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
