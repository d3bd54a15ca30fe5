//! Bringing the local state up to the store's: what was claimed and never heard of is taken up, what is gone is dropped.

use ipnet::IpNet;

use super::error::ClusterError;
use super::local::{BlockState, LocalState};
use super::record::{self, BlockRecord};
use super::rules::{Rule, Rules};
use super::shared_store::{Call, Record, Reply, Version};
use super::snapshot::Snapshot;
use super::task::{Outstanding, Step, Task};

/// Reads everything and settles what differs. Its output is also what routes, status and metrics are made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Sync {
    rules: Rules,
    out: Outstanding,
    version_before: Version,
    incarnation: u64,
    renewing: Option<Renewing>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Renewing {
    left: Vec<(IpNet, Version)>,
    synced: Synced,
}

/// What a sync has found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Synced {
    pub snapshot: Snapshot,
    /// Blocks taken up.
    pub adopted: Vec<IpNet>,
    /// Blocks this node held and the store does not know as its: dropped. Never empty without a fault somewhere else.
    pub lost: Vec<IpNet>,
}

/// Why a sync changed less than it should: the block map, if there is one, is good all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{error}")]
pub struct SyncError {
    pub error: ClusterError,
    /// If it could be read: the routes to other nodes stay right even for a node that is not a member.
    pub snapshot: Option<Snapshot>,
}

impl From<ClusterError> for SyncError {
    fn from(error: ClusterError) -> Self {
        Self { error, snapshot: None }
    }
}

/// What a list means for the local state.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    pub(super) adopted: Vec<IpNet>,
    pub(super) lost: Vec<IpNet>,
    /// Blocks of this node that have to be written again before they can be taken up.
    pub(super) to_renew: Vec<(IpNet, Version)>,
}

/// Applies a list that was called for in the present incarnation.
pub(super) fn settle(snapshot: &Snapshot, local: &mut LocalState, rules: Rules) -> Result<Settled, ClusterError> {
    local.check_own_record(snapshot.members.get(local.node()).map(|seen| &seen.record))?;
    let mut settled = Settled::default();
    let gone: Vec<IpNet> =
        local.blocks().filter(|block| is_gone(snapshot, local, block.block)).map(|b| b.block).collect();
    for block in gone {
        match local.entry(block).map(|entry| (entry.state, entry.version)) {
            Some((BlockState::Held { .. }, _)) => {
                local.lose(block);
                settled.lost.push(block);
            }
            Some((BlockState::Releasing, version)) => local.end_release(block, version),
            _ => {}
        }
    }
    for (block, seen) in snapshot.live_blocks() {
        let is_claimed_here = seen.record.owner == local.node() && !seen.record.is_edited();
        if !is_claimed_here || !local.grids().iter().any(|grid| grid.index(block).is_some()) {
            continue;
        }
        if seen.record.incarnation < local.incarnation() {
            // A claim of an earlier life that arrived late.
            if !local.is_orphaned(seen.record.incarnation) {
                settled.to_renew.push((block, seen.version));
            }
        } else if local.adopt(block, seen.version, 0) {
            settled.adopted.push(block);
        } else if !rules.hold(Rule::R4) {
            local.adopt_any(block, seen.version, 0);
        } else if local.entry(block).is_none() {
            // Too old to know whether it is still so: a write decides.
            settled.to_renew.push((block, seen.version));
        }
    }
    Ok(settled)
}

/// Whether the record that the local state knows of is not there any more, in a list that would have it.
fn is_gone(snapshot: &Snapshot, local: &LocalState, block: IpNet) -> bool {
    let Some(version) = local.entry(block).map(|entry| entry.version).filter(|version| *version <= snapshot.at) else {
        return false;
    };
    match snapshot.blocks.get(&block) {
        None => !snapshot.is_unreadable(block),
        Some(seen) => seen.version > version && !seen.record.is_of(local.node(), local.incarnation()),
    }
}

/// The write that makes whatever is on its way to this block harmless, and the block usable.
pub(super) fn renewal(local: &LocalState, block: IpNet, expected: Version) -> Call {
    let value = record::write(&BlockRecord::new(local.node(), local.incarnation()));
    Call::Update { key: record::block_key(block), value, expected }
}

/// The version of a block record that a write of ours met, if it is this node's in its present incarnation.
pub(super) fn ours(found: Option<Record>, local: &LocalState, block: IpNet) -> Option<Version> {
    let found = found?;
    let record: BlockRecord = record::read(&record::block_key(block), &found.value).ok()?;
    record.is_of(local.node(), local.incarnation()).then_some(found.version)
}

#[allow(clippy::result_large_err)] // As large as what it returns when all is well.
impl Sync {
    /// A sync.
    pub fn new() -> Self {
        Self::default()
    }

    /// With other rules.
    #[cfg(feature = "proof")]
    #[must_use]
    pub fn under(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    fn listed(&mut self, reply: Reply, local: &mut LocalState) -> Result<Step<Result<Synced, SyncError>>, SyncError> {
        let Reply::Listed { records, at } = reply else { return Err(ClusterError::UnexpectedReply.into()) };
        local.note_version(self.version_before, at)?;
        let snapshot = Snapshot::read(&records, at)?;
        let usable = local.require_still_member(self.incarnation).and_then(|()| snapshot.require_open());
        let settled = match usable.and_then(|()| settle(&snapshot, local, self.rules)) {
            Ok(settled) => settled,
            Err(error) => return Err(SyncError { error, snapshot: Some(snapshot) }),
        };
        let synced = Synced { snapshot, adopted: settled.adopted, lost: settled.lost };
        Ok(self.renew(settled.to_renew, synced, local))
    }

    fn renew(
        &mut self,
        left: Vec<(IpNet, Version)>,
        synced: Synced,
        local: &LocalState,
    ) -> Step<Result<Synced, SyncError>> {
        let Some((block, version)) = left.last().copied() else { return Step::Done(Ok(synced)) };
        self.renewing = Some(Renewing { left, synced });
        Step::Call(self.out.send(renewal(local, block, version)))
    }

    fn renewed(
        &mut self,
        reply: Reply,
        renewing: Renewing,
        local: &mut LocalState,
    ) -> Result<Step<Result<Synced, SyncError>>, SyncError> {
        let Renewing { mut left, mut synced } = renewing;
        let Some((block, _)) = left.pop() else { return Err(ClusterError::UnexpectedReply.into()) };
        if let Err(error) = local.require_still_member(self.incarnation) {
            return Err(SyncError { error, snapshot: Some(synced.snapshot) });
        }
        let version = match reply {
            Reply::Written(version) => Some(version),
            Reply::Conflict(found) => ours(found, local, block),
            _ => return Err(ClusterError::UnexpectedReply.into()),
        };
        if version.is_some_and(|version| local.adopt(block, version, 0)) {
            synced.adopted.push(block);
        }
        Ok(self.renew(left, synced, local))
    }

    fn next(&mut self, reply: Reply, local: &mut LocalState) -> Result<Step<Result<Synced, SyncError>>, SyncError> {
        match reply {
            Reply::Unknown(fault) => {
                let again = self.out.repeat(fault);
                return again.map(Step::Call).map_err(|fault| ClusterError::Store(fault).into());
            }
            Reply::Refused(fault) => return Err(ClusterError::Store(fault).into()),
            _ => {}
        }
        match self.renewing.take() {
            None => self.listed(reply, local),
            Some(renewing) => self.renewed(reply, renewing, local),
        }
    }
}

impl Task for Sync {
    type Output = Result<Synced, SyncError>;

    /// A node that is not a member lists too, for the snapshot alone.
    fn start(&mut self, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.incarnation = local.incarnation();
        self.version_before = local.highest();
        Step::Call(self.out.send(Call::List { prefix: String::new() }))
    }

    fn resume(&mut self, reply: Reply, local: &mut LocalState, _now: u64) -> Step<Self::Output> {
        self.next(reply, local).unwrap_or_else(|error| Step::Done(Err(error)))
    }
}
