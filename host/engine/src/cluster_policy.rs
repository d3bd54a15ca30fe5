//! What a cluster policy declares of blocks, checked: its grids, its shares, and the block to claim next.
//!
//! As with addresses, the policy proposes and the host disposes: a block that is on no grid, or that a member holds, is
//! the policy's fault and never reaches the cluster's store.

use std::sync::Arc;

use ipnet::IpNet;

use crate::address::IpRange;
use crate::attachment::{Context, Problem, Refusal};
use crate::ipam::{self, ClusterFault, IpamError, call_error};
use crate::pool::{Pool, Pools};
use crate::runtime::{CallError, LogLine, Policy, Session, Usage};
use crate::settings::Settings;
use gingham_ownership::grid::{BlockMap, Grid};

const MOST_GRIDS: usize = 64;

/// A block that a policy would claim, and that may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proposal {
    pub block: IpNet,
    pub usage: Usage,
}

/// A cluster policy with a configuration that was found good. Nothing here looks into a ledger: every question is put to a fresh instance that sees an empty network.
pub struct ClusterPolicy<'a> {
    policy: &'a Policy,
    settings: &'a Settings,
    context: Context,
    pools: Pools,
    grids: Vec<Grid>,
}

impl<'a> ClusterPolicy<'a> {
    /// Lets the policy check its configuration and declare its grids. What it logged is in `log` all
    /// the same, here and below. The policy is one ([`Policy::is_cluster`]).
    pub fn new(
        policy: &'a Policy,
        settings: &'a Settings,
        context: &Context,
        log: &mut Vec<LogLine>,
    ) -> Result<Self, IpamError> {
        let pools = ipam::prepare(policy, settings, context, log)?.pools().clone();
        let context = context.clone();
        let mut this = Self { policy, settings, context, pools, grids: Vec::new() };
        let answer = this.ask(log, |session| session.blocks(&settings.policy_config))?;
        let name = || policy.name().to_owned();
        this.grids = answer.map_err(|problems: Vec<Problem>| IpamError::Problems { policy: name(), problems })?;
        check_grids(&this.grids, &this.pools).map_err(|fault| this.fault(fault))?;
        Ok(this)
    }

    pub fn name(&self) -> &str {
        self.policy.name()
    }

    /// Where the network's addresses lie, all members' together.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// One for each pool, in the pools' order, disjoint.
    pub fn grids(&self) -> &[Grid] {
        &self.grids
    }

    /// A picture of a cluster in which nothing is claimed, with what the configuration excludes.
    pub fn picture(&self, me: impl Into<String>, members: impl IntoIterator<Item = String>) -> BlockMap {
        BlockMap::new(me, members, self.grids.clone()).excluding(self.settings.exclude.clone())
    }

    /// The ranges meant for a member if these are all the members.
    ///
    /// # Errors
    /// [`IpamError`]; a range that is on no grid is [`ClusterFault::ShareOffGrid`].
    pub fn share(&self, members: &[String], member: &str, log: &mut Vec<LogLine>) -> Result<Vec<IpRange>, IpamError> {
        let answer = self.ask(log, |session| session.share(&self.settings.policy_config, members, member))?;
        let share = answer.map_err(|refusal| self.refused(refusal))?;
        let on_grid = |range: &IpRange| self.grids.iter().any(|grid| IpRange::from(grid.range()).covers(range));
        match share.iter().find(|range| !on_grid(range)) {
            None => Ok(share),
            Some(range) => Err(self.fault(ClusterFault::ShareOffGrid { member: member.to_owned(), range: *range })),
        }
    }

    /// The block that the policy would claim next for a grid (counted from 0): on the grid, and unclaimed in the
    /// picture. If another member turns out to hold it, enter that in the picture and call again.
    ///
    /// # Errors
    /// [`IpamError`]; `Refused` with `Exhausted` if no block is left. Anything that cannot be claimed is
    /// [`IpamError::Cluster`].
    pub fn next_block(
        &self,
        grid: usize,
        picture: &Arc<BlockMap>,
        log: &mut Vec<LogLine>,
    ) -> Result<Proposal, IpamError> {
        let no_such = || self.fault(ClusterFault::NoSuchGrid { grid, count: self.grids.len() });
        let (Some(known), Ok(number)) = (self.grids.get(grid), u32::try_from(grid)) else { return Err(no_such()) };
        let (answer, usage) = self.ask(log, |session| {
            session.show_cluster(Arc::clone(picture));
            let answer = session.next_block(&self.settings.policy_config, number)?;
            Ok((answer, session.usage()))
        })?;
        let block = answer.map_err(|refusal| self.refused(refusal))?;
        if known.index(block).is_none() {
            return Err(self.fault(ClusterFault::BlockOffGrid { block, grid: *known }));
        }
        match picture.holder(block) {
            None => Ok(Proposal { block, usage }),
            Some(holder) => Err(self.fault(ClusterFault::BlockHeld { block, holder: holder.to_owned() })),
        }
    }

    fn ask<T>(
        &self,
        log: &mut Vec<LogLine>,
        question: impl FnOnce(&mut Session) -> Result<T, CallError>,
    ) -> Result<T, IpamError> {
        let fault = |error| call_error(self.policy, error);
        let mut session = Session::new(self.policy, self.settings.limits, &self.context).map_err(fault)?;
        let answer = question(&mut session);
        log.append(&mut session.take_log());
        answer.map_err(fault)
    }

    fn refused(&self, refusal: Refusal) -> IpamError {
        IpamError::Refused { policy: self.policy.name().to_owned(), refusal }
    }

    fn fault(&self, source: ClusterFault) -> IpamError {
        IpamError::Cluster { policy: self.policy.name().to_owned(), source }
    }
}

fn check_grids(grids: &[Grid], pools: &Pools) -> Result<(), ClusterFault> {
    if grids.len() > MOST_GRIDS {
        return Err(ClusterFault::TooManyGrids { count: grids.len(), most: MOST_GRIDS });
    }
    let pools: Vec<&Pool> = pools.iter().collect();
    if grids.len() != pools.len() {
        return Err(ClusterFault::GridCount { grids: grids.len(), pools: pools.len() });
    }
    for (index, grid) in grids.iter().enumerate() {
        let range = IpRange::from(grid.range());
        let overlaps = |other: &&Grid| IpRange::from(other.range()).intersection(&range).is_some();
        if let Some(first) = grids[..index].iter().find(overlaps) {
            return Err(ClusterFault::GridsOverlap { first: *first, second: *grid });
        }
        if let Some(part) = pools[index].ranges.iter().find(|part| !range.covers(&part.range)) {
            let pool = pools[index].name.clone();
            return Err(ClusterFault::PoolOffGrid { pool, range: part.range, grid: *grid });
        }
    }
    Ok(())
}
