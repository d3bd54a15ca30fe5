//! Being a member: joining, getting blocks, giving them back, showing life.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use gingham_engine::ipam::IpamError;
use gingham_engine::ledger::used_within;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::LogLine;
use gingham_engine::settings::membership::StoreSettings;
use gingham_ownership::beat::Beat;
use gingham_ownership::claim::{Chooser, Claim, ClaimError};
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::BlockMap;
use gingham_ownership::join::{Identity, Join, Joined};
use gingham_ownership::local::{BlockState, LocalState, MembershipState};
use gingham_ownership::record::{BlockRecord, Membership};
use gingham_ownership::release::{Release, Released};
use gingham_ownership::shared_store::Version;
use gingham_ownership::snapshot::Snapshot;
use gingham_ownership::sync::{Sync, SyncError, Synced};
use gingham_ownership::takeover::Observation;
use ipnet::IpNet;

use crate::agent::AgentError;
use crate::confirmation::{self, Confirmation};
use crate::error::Fault;
use crate::free_addresses::free_for;
use crate::{Cluster, Policy, agent, node_identity};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ensured {
    pub joined: bool,
    /// Blocks that came, by joining or by a claim.
    pub new: Vec<IpNet>,
}

impl Cluster<'_> {
    /// Sees to it that so many addresses are free on each grid, or as many as there are if the cluster has no more: joins if
    /// need be, and claims blocks; or has the agent do so, where it alone can call the store. Bounded by the deadline. What the policy logged is in `log` all the same.
    ///
    /// # Errors
    /// [`Fault`]. If no address is left it is the policy's refusal.
    pub fn ensure(
        &mut self,
        policy: &Policy<'_>,
        wanted: u64,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<Ensured, Fault> {
        let mut ensured = Ensured::default();
        if !self.is_shared() {
            return Ok(ensured);
        }
        if let Some(socket) = self.agent_socket() {
            let confirmation = self.confirmation()?;
            match (agent::make_room(socket, self.network, wanted, deadline), confirmation) {
                (made, Confirmation::Holds) => made?,
                // An agent that reached the store before and does not now: no order to take this node over can have been seen
                // either. One that was deleted or replaced while it saw the store leaves a node that goes on.
                (Err(AgentError::Unreachable { .. }), _)
                | (Err(AgentError::NotRunning { .. }), Confirmation::Expired) => self.is_vouched = true,
                (Err(source), _) => return Err(Fault::Unconfirmed { source }),
                (Ok(()), _) => {}
            }
            // An agent that has just come may have named this node.
            self.node = node_identity::node_name(&self.keys, &self.settings.data_dir)?;
            return Ok(ensured);
        }
        if let Some(joined) = self.join_if_out(policy, None, deadline)? {
            ensured.joined = true;
            ensured.new = joined.held;
        }
        for grid in 0..policy.grids().len() {
            // Each round claims a block, unless it ends.
            while self.free(policy, grid)? < wanted {
                match self.claim(policy, grid, deadline, log) {
                    Ok(block) => ensured.new.push(block),
                    Err(fault) if wanted > 1 && self.free(policy, grid)? > 0 && fault.is_exhausted() => break,
                    Err(fault) => return Err(fault),
                }
            }
        }
        Ok(ensured)
    }

    /// The same ahead of time, so that no ADD waits: joins if need be, and claims until so many addresses are free on each
    /// grid. A cluster that has no more blocks is no error as long as anything is left.
    pub fn claim_ahead(
        &mut self,
        policy: &Policy<'_>,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<Ensured, Fault> {
        self.ensure(policy, self.keys.low_water.max(1), deadline, log)
    }

    /// Addresses that the policy could give on a grid. What no container gets, like the range's first address, is not
    /// among them: a block in which nothing else is left is full.
    fn free(&self, policy: &Policy<'_>, grid: usize) -> Result<u64, Fault> {
        let ledger = self.ledger()?;
        // Blocks that cool count too: otherwise a node with nothing else would claim one after the other.
        let local = self.local(&ledger)?;
        let grid = policy.grids().get(grid).copied();
        grid.map_or(Ok(u64::MAX), |grid| free_for(policy.pools(), &ledger, &grid, local.held(), &self.settings.exclude))
    }

    /// Joins if this node is no member and has not left by itself. `watched`: what was seen of its name when
    /// [`ClusterError::Suspicious`] was the answer, at least [`Self::watch_time`] ago.
    pub fn join_if_out(
        &mut self,
        policy: &Policy<'_>,
        watched: Option<Observation>,
        deadline: Instant,
    ) -> Result<Option<Joined>, Fault> {
        self.follow_move(deadline)?;
        let local = self.local(&self.ledger()?)?;
        if local.wants_to_join() {
            return self.join_now(policy, watched, deadline).map(Some);
        }
        require_same_grids(&local, policy)?;
        Ok(None)
    }

    /// Joins, whatever this node was before.
    pub(crate) fn join_now(
        &mut self,
        policy: &Policy<'_>,
        watched: Option<Observation>,
        deadline: Instant,
    ) -> Result<Joined, Fault> {
        let identity = node_identity::identity(&self.keys, self.settings.routing, self.boot, self.device_mac())?;
        let identity = Identity { node_uid: self.node_uid.clone(), ..identity };
        let begun = confirmation::running_for();
        let mut join = Join::new(identity, policy.grids().to_vec(), policy.name());
        if let Some(observation) = watched {
            join = join.having_watched(observation);
        }
        let (joined, _) = self.drive(join, deadline)?;
        let joined = joined?;
        if self.has_leases() {
            self.note_joined(begun)?;
        }
        Ok(joined)
    }

    /// Registers the uid of this node's Node object. A member whose record has another one writes it again, in the same
    /// incarnation; any other registers it when it joins.
    ///
    /// # Errors
    /// [`Fault`]; then the next call tries again.
    pub fn follow_node_uid(&mut self, policy: &Policy<'_>, uid: &str, deadline: Instant) -> Result<bool, Fault> {
        if self.node_uid.as_deref() == Some(uid) {
            return Ok(false);
        }
        let is_member = self.local(&self.ledger()?)?.membership() == MembershipState::Member;
        let before = self.node_uid.replace(uid.to_owned());
        if !is_member {
            return Ok(true);
        }
        match self.join_now(policy, None, deadline) {
            Ok(_) => Ok(true),
            Err(fault) => {
                self.node_uid = before;
                Err(fault)
            }
        }
    }

    fn claim(
        &mut self,
        policy: &Policy<'_>,
        grid: usize,
        deadline: Instant,
        log: &mut Vec<LogLine>,
    ) -> Result<IpNet, Fault> {
        let settings = self.settings;
        let cooldown = u64::try_from(settings.cooldown.as_millis()).unwrap_or(u64::MAX);
        let chooser = PolicyChooser { policy, grid, exclude: &settings.exclude, log };
        let (claimed, _) = self.drive(Claim::new(chooser, grid, cooldown), deadline)?;
        match claimed {
            Ok(claimed) => Ok(claimed.block),
            Err(ClaimError::Cluster(error)) => Err(error.into()),
            Err(ClaimError::Refused(refused)) => Err(refused.into()),
            Err(error @ ClaimError::BadProposal { .. }) => {
                Err(Fault::Proposal { policy: policy.name().to_owned(), reason: error.to_string() })
            }
        }
    }

    /// Brings the local state up to the store's. There may be a snapshot with an error, too: the routes to other nodes stay
    /// right for a node that is not a member.
    ///
    /// # Errors
    /// [`Fault`] if there is no snapshot.
    pub fn sync(&mut self, deadline: Instant) -> Result<Result<Synced, SyncError>, Fault> {
        let (synced, _) = self.drive(Sync::new(), deadline)?;
        match synced {
            Err(SyncError { error, snapshot: None }) => Err(error.into()),
            synced => Ok(synced),
        }
    }

    /// Whether records that may be old show this node as its own state has it: then a list of the store would change nothing
    /// here. Nothing is ever taken up from such records: those of blocks may be later than those of members.
    pub fn agrees_with(&self, records: &Snapshot) -> Result<bool, Fault> {
        let local = self.local(&self.ledger()?)?;
        let own = records.members.get(&self.node).map(|seen| &seen.record);
        let is_member = local.membership() == MembershipState::Member
            && own.is_some_and(|own| {
                own.incarnation == local.incarnation() && own.is_alive() && own.membership == Membership::Member
            });
        let is_theirs = |record: &BlockRecord| record.owner == self.node && !record.is_edited();
        let theirs = records.blocks.iter().filter(|(_, seen)| is_theirs(&seen.record));
        let theirs: BTreeMap<IpNet, Version> = theirs.map(|(block, seen)| (*block, seen.version)).collect();
        let ours = local.blocks().filter(|block| !matches!(block.state, BlockState::Released));
        let ours: BTreeMap<IpNet, Version> = ours.map(|block| (block.block, block.version)).collect();
        Ok(is_member && theirs == ours && records.require_open().is_ok())
    }

    /// Held blocks in which no address is leased or cools. The agent waits until a block was among them for a while, and
    /// then gives it back with [`Self::release`].
    pub fn idle(&self) -> Result<Vec<IpNet>, Fault> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let ledger = self.ledger()?;
        let local = self.local(&ledger)?;
        let mut idle = Vec::new();
        for block in local.held() {
            if used_within(&ledger, block.into())? == 0 {
                idle.push(block);
            }
        }
        Ok(idle)
    }

    /// Gives blocks back, as far as they are still idle and twice the low-water mark of free addresses, and one block,
    /// stays on their grid. Ends what an earlier release has begun.
    pub fn release(&mut self, policy: &Policy<'_>, candidates: &[IpNet], deadline: Instant) -> Result<Released, Fault> {
        let (exclude, keep) = (self.settings.exclude.clone(), self.keys.low_water.saturating_mul(2));
        let make = |local: &LocalState, ledger: &_| {
            let mut idle = Vec::new();
            for grid in local.grids() {
                let mut held: Vec<IpNet> = local.held().filter(|block| grid.index(*block).is_some()).collect();
                for block in candidates.iter().rev().filter(|block| grid.index(**block).is_some()) {
                    let rest = || held.iter().copied().filter(|other| other != block);
                    let is_idle = held.contains(block) && used_within(ledger, (*block).into())? == 0;
                    let left = || free_for(policy.pools(), ledger, grid, rest(), &exclude);
                    if is_idle && rest().next().is_some() && left()? >= keep {
                        held.retain(|other| other != block);
                        idle.push(*block);
                    }
                }
            }
            Ok(Release::new(idle))
        };
        let (released, _) = self.drive_made(make, deadline)?;
        Ok(released?)
    }

    /// One sign of life, unless kubelets show it. The agent keeps `beat` from one to the next.
    pub fn beat(&mut self, beat: &mut Beat, deadline: Instant) -> Result<(), Fault> {
        if self.has_leases() {
            return Ok(());
        }
        let (done, kept) = self.drive(std::mem::take(beat), deadline)?;
        *beat = kept;
        Ok(done?)
    }

    /// Whether this node's range is divided by a list, not by a store.
    pub fn is_fixed(&self) -> bool {
        matches!(&self.keys.store, StoreSettings::Local { members } if !members.is_empty())
    }
}

/// The policy, as far as it chooses the next block of one grid.
struct PolicyChooser<'p, 'a> {
    policy: &'p Policy<'a>,
    grid: usize,
    exclude: &'p RangeSet,
    log: &'p mut Vec<LogLine>,
}

impl Chooser for PolicyChooser<'_, '_> {
    type Error = IpamError;

    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, IpamError> {
        let block_map = Arc::new(block_map.clone().excluding(self.exclude.clone()));
        Ok(self.policy.next_block(self.grid, &block_map, self.log)?.block)
    }
}

fn require_same_grids(local: &LocalState, policy: &Policy<'_>) -> Result<(), Fault> {
    if local.grids().is_empty() || local.grids() == policy.grids() {
        return Ok(());
    }
    Err(ClusterError::OtherGrids { theirs: local.grids().to_vec(), ours: policy.grids().to_vec() }.into())
}
