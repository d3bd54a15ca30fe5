//! Getting one more block: the policy proposes it, the store decides.
//!
//! A block is claimed by creating its record, or by writing over one whose owner's membership was ended. Only after
//! that the node's own membership is looked at again: a claim that was made too late, by a node that was taken over
//! meanwhile, is not used.

use ipnet::IpNet;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::grid::{Grid, Picture};
use super::local::LocalState;
use super::record::{self, BlockRecord, MemberRecord};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Reply, Version};
use super::sync::{ours, renewal, settle};
use super::task::{Outstanding, Step, Task};

/// Who says which block to claim next: a policy.
pub trait Chooser {
    /// Why it names none.
    type Error;

    /// The next block of the grid the claim is for; one that is unclaimed in the picture.
    ///
    /// # Errors
    /// If there is none, or the policy fails.
    fn next_block(&mut self, picture: &Picture) -> Result<IpNet, Self::Error>;
}

impl<C: Chooser> Chooser for &mut C {
    type Error = C::Error;

    fn next_block(&mut self, picture: &Picture) -> Result<IpNet, C::Error> {
        (**self).next_block(picture)
    }
}

/// Why there is no block.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ClaimError<E> {
    /// The cluster's side.
    #[error(transparent)]
    Cluster(ClusterError),
    /// The policy names none.
    #[error("the policy names no block to claim")]
    Refused(E),
    /// The policy names one that cannot be meant.
    #[error("the policy wants to claim {block}, which {why}")]
    BadProposal {
        /// Its proposal.
        block: IpNet,
        /// What is wrong with it.
        why: String,
    },
}

impl<E> From<ClusterError> for ClaimError<E> {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

/// A block of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claimed {
    /// Which.
    pub block: IpNet,
    /// Whether it was another's whose membership was ended: its addresses rest first.
    pub was_anothers: bool,
}

/// Claims a block of one grid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim<C> {
    chooser: C,
    grid: usize,
    cooldown: u64,
    rules: Rules,
    stage: Stage,
    out: Outstanding,
    asked_at: Version,
    incarnation: u64,
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
        picture: Shown,
    },
    /// Written; now the fence.
    Facing {
        claimed: Claimed,
        version: Version,
    },
}

/// What the store said, and what turned out otherwise since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shown {
    cluster: Cluster,
    taken: Vec<IpNet>,
}

/// So many times others may be faster before everything is read again …
const MOST_TAKEN: usize = 8;
/// … and so many times that.
const MOST_ROUNDS: u8 = 8;

type Done<E> = Result<Claimed, ClaimError<E>>;
type Next<E> = Result<Step<Done<E>>, ClaimError<E>>;

impl<C: Chooser> Claim<C> {
    /// Claims a block of the grid with this number. A block that was another's rests for `cooldown` milliseconds.
    pub fn new(chooser: C, grid: usize, cooldown: u64) -> Self {
        Self {
            chooser,
            grid,
            cooldown,
            rules: Rules::default(),
            stage: Stage::Listing,
            out: Outstanding::default(),
            asked_at: Version(0),
            incarnation: 0,
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

    /// What the chooser has become: a policy's log, for one.
    pub fn into_chooser(self) -> C {
        self.chooser
    }

    fn begin(&mut self, local: &LocalState) -> Next<C::Error> {
        self.incarnation = local.member()?;
        let grid = self.grid(local)?;
        let coming_back = local.releasing().into_iter().find(|(block, _)| grid.index(*block).is_some());
        let Some((block, version)) = coming_back else { return self.list(local) };
        self.asked_at = local.highest();
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
        self.asked_at = local.highest();
        self.stage = Stage::Listing;
        Ok(Step::Call(self.out.send(Call::List { prefix: String::new() })))
    }

    fn listed(&mut self, reply: Reply, local: &mut LocalState) -> Next<C::Error> {
        let Reply::Listed { records, at } = reply else { return Err(ClusterError::Nonsense.into()) };
        local.see(self.asked_at, at)?;
        let cluster = Cluster::read(&records, at)?;
        match &cluster.config {
            None => return Err(ClusterError::NoConfig.into()),
            Some(config) if config.grids != local.grids() => {
                let (theirs, ours) = (config.grids.clone(), local.grids().to_vec());
                return Err(ClusterError::OtherGrids { theirs, ours }.into());
            }
            Some(_) => {}
        }
        let settled = settle(&cluster, local, self.rules)?;
        let grid = self.grid(local)?;
        // A claim of before, of which nobody here heard: no need for another one.
        let found = settled.adopted.into_iter().find(|block| grid.index(*block).is_some() && local.holds(*block));
        if let Some(block) = found {
            return Ok(Step::Done(Ok(Claimed { block, was_anothers: false })));
        }
        self.propose(Shown { cluster, taken: Vec::new() }, local)
    }

    fn propose(&mut self, shown: Shown, local: &LocalState) -> Next<C::Error> {
        let block = self.chooser.next_block(&self.picture(&shown, local)).map_err(ClaimError::Refused)?;
        self.check(block, &shown, local)?;
        let (key, value) = (record::block_key(block), record::write(&BlockRecord::new(local.node(), self.incarnation)));
        // Who is dead has to be compared with: the record may have become another's.
        let dead = shown.cluster.blocks.get(&block).map(|seen| seen.version);
        let call = match dead {
            None => Call::Create { key, value },
            Some(expected) => Call::Update { key, value, expected },
        };
        self.stage = Stage::Claiming { block, was_anothers: dead.is_some(), picture: shown };
        Ok(Step::Call(self.out.send(call)))
    }

    fn picture(&self, shown: &Shown, local: &LocalState) -> Picture {
        let mut picture = shown.cluster.picture(local.node(), local.grids());
        for block in &shown.taken {
            picture.claim(*block, "?");
        }
        if !self.rules.hold(Rule::R3) && picture.next_unclaimed(self.whole(local), None).is_none() {
            let others: Vec<IpNet> =
                picture.claimed().filter(|(_, who)| *who != local.node()).map(|(b, _)| b).collect();
            for block in others {
                picture.unclaim(block);
            }
        }
        picture
    }

    fn whole(&self, local: &LocalState) -> crate::address::IpRange {
        let range = local.grids().get(self.grid).map(Grid::range);
        range.map_or(crate::address::IpRange::single(std::net::Ipv4Addr::UNSPECIFIED.into()), Into::into)
    }

    /// The policy proposes, the host disposes.
    fn check(&self, block: IpNet, shown: &Shown, local: &LocalState) -> Result<(), ClaimError<C::Error>> {
        let bad = |why: String| Err(ClaimError::BadProposal { block, why });
        let grid = self.grid(local)?;
        if grid.index(block).is_none() {
            return bad(format!("is no block of the grid {grid}"));
        }
        if shown.taken.contains(&block) || shown.cluster.is_unreadable(block) {
            return bad("is claimed".into());
        }
        match shown.cluster.live_overlap(block) {
            Some((other, record)) if record.owner == local.node() || self.rules.hold(Rule::R3) => {
                bad(format!("is claimed: {other} is held by {}", record.owner))
            }
            _ => Ok(()),
        }
    }

    fn claimed(&mut self, reply: Reply, local: &LocalState) -> Next<C::Error> {
        let Stage::Claiming { block, was_anothers, picture: mut shown } = self.stage.clone() else {
            return Err(ClusterError::Nonsense.into());
        };
        let version = match reply {
            Reply::Written(version) if version <= self.asked_at => {
                return Err(ClusterError::rewound(self.asked_at, version).into());
            }
            Reply::Written(version) => version,
            Reply::Conflict(found) => {
                let Some(version) = ours(found, local, block) else {
                    shown.taken.push(block);
                    let read_again = was_anothers || shown.taken.len() > MOST_TAKEN;
                    return if read_again { self.list(local) } else { self.propose(shown, local) };
                };
                // Our own write, of which the reply was lost, or another process's.
                version
            }
            _ => return Err(ClusterError::Nonsense.into()),
        };
        Ok(self.face(Claimed { block, was_anothers }, version, local))
    }

    fn took_back(&mut self, reply: Reply, local: &mut LocalState) -> Next<C::Error> {
        let Stage::TakingBack { block, version: released } = self.stage else {
            return Err(ClusterError::Nonsense.into());
        };
        let version = match reply {
            Reply::Written(version) => Some(version),
            Reply::Conflict(found) => ours(found, local, block),
            _ => return Err(ClusterError::Nonsense.into()),
        };
        if let Some(version) = version {
            return Ok(self.face(Claimed { block, was_anothers: false }, version, local));
        }
        // It is given back after all. The list will tell whose it is now.
        local.end_release(block, released);
        self.list(local)
    }

    fn face(&mut self, claimed: Claimed, version: Version, local: &LocalState) -> Step<Done<C::Error>> {
        self.stage = Stage::Facing { claimed, version };
        Step::Call(self.out.send(Call::Get { key: record::member_key(local.node()) }))
    }

    fn faced(&mut self, reply: Reply, local: &mut LocalState, now: u64) -> Next<C::Error> {
        let Stage::Facing { claimed, version } = self.stage else { return Err(ClusterError::Nonsense.into()) };
        let Reply::Got(found) = reply else { return Err(ClusterError::Nonsense.into()) };
        let key = record::member_key(local.node());
        let record = found.map(|found| record::read::<MemberRecord>(&key, &found.value)).transpose();
        let record = record.map_err(ClusterError::from)?;
        local.face(record.as_ref())?;
        let rest_until = if claimed.was_anothers { now.saturating_add(self.cooldown) } else { 0 };
        let adopted = local.adopt(claimed.block, version, rest_until);
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
        local.still(self.incarnation)?;
        match self.stage {
            Stage::Listing => self.listed(reply, local),
            Stage::TakingBack { .. } => self.took_back(reply, local),
            Stage::Claiming { .. } => self.claimed(reply, local),
            Stage::Facing { .. } => self.faced(reply, local, now),
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
