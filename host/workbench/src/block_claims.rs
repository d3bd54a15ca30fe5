//! A network that is one member of a cluster: who holds which block, in memory. A scenario has it, and its steps are
//! the scenario's.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::cluster_policy::{ClusterPolicy, Proposal};
use gingham_engine::ipam::{self, ClusterFault, IpamError, PoolRoom};
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::LogLine;
use gingham_ownership::grid::BlockMap;
use ipnet::IpNet;

use crate::difference::Difference;
use crate::error::ScenarioError;
use crate::run::Run;
use crate::scenario::Scenario;

/// What the network's node knows of its cluster.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) me: String,
    members: Vec<String>,
    claims: BTreeMap<IpNet, String>,
    /// Whether the node claims a block when it has no free address.
    claiming: bool,
    /// Whether it has the whole range, as without other nodes.
    is_alone: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        let me = "node-1".to_owned();
        Self { me, members: Vec::new(), claims: BTreeMap::new(), claiming: true, is_alone: false }
    }
}

/// What a node serves from.
pub(crate) struct Holdings {
    pub(crate) blocks: RangeSet,
    pub(crate) picture: Arc<BlockMap>,
}

impl Scenario {
    /// The node's name: `node-1` otherwise.
    pub fn set_node(&mut self, name: &str) {
        name.clone_into(&mut self.cluster.me);
    }

    /// The members of the cluster, this node among them or not; blocks and leases stay.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = String>) {
        self.cluster.members = members.into_iter().collect();
    }

    /// Whether the node claims a block itself when it has no free address left, as a node does.
    pub fn set_claiming(&mut self, claiming: bool) {
        self.cluster.claiming = claiming;
    }

    /// Whether the node serves from the whole range, as one does whose configuration names no cluster.
    pub(crate) fn set_alone(&mut self, is_alone: bool) {
        self.cluster.is_alone = is_alone;
    }

    /// A member, this one or another, holds a block from now on. Whether it is a block is checked by the next step.
    pub fn claim(&mut self, member: &str, block: IpNet) -> Result<(), ScenarioError> {
        if let Some(holder) = self.cluster.claims.get(&block) {
            return Err(ScenarioError::Held { block, holder: holder.clone() });
        }
        self.cluster.claims.insert(block, member.to_owned());
        Ok(())
    }

    /// No member holds this block any more.
    pub fn unclaim(&mut self, block: IpNet) -> Result<(), ScenarioError> {
        self.cluster.claims.remove(&block).map(|_| ()).ok_or(ScenarioError::Unclaimed { block })
    }

    /// Who holds which block: those of [`Self::claim`], and those the node claimed itself.
    pub fn claims(&self) -> &BTreeMap<IpNet, String> {
        &self.cluster.claims
    }

    /// The ranges that the policy means for a member.
    pub fn share(&self, member: &str) -> Result<Run<Vec<IpRange>>, ScenarioError> {
        let members = self.members()?;
        Ok(self.twice("the share", |policy, log| {
            let policy = ClusterPolicy::new(policy, &self.settings, &self.context(), log)?;
            policy.share(&members, member, log)
        }))
    }

    /// The block that the policy would have this node claim next for one of its pools, counted from 0. It is not claimed.
    pub fn next_block(&self, pool: usize) -> Result<Run<Proposal>, ScenarioError> {
        let picture = match self.picture(&mut Vec::new()) {
            Err(ScenarioError::Ipam(_)) => None,
            picture => Some(Arc::new(picture?)),
        };
        let run = self.twice("the next block", |policy, log| {
            let policy = ClusterPolicy::new(policy, &self.settings, &self.context(), log)?;
            let picture = picture.clone().unwrap_or_else(|| Arc::new(self.unclaimed(&policy)));
            policy.next_block(pool, &picture, log)
        });
        match run.result {
            Err(IpamError::Cluster { source: ClusterFault::NoSuchGrid { count, .. }, .. }) => {
                Err(ScenarioError::NoSuchPool { pool, count })
            }
            _ => Ok(run),
        }
    }

    /// Claims blocks until every pool has a free address, as a node does before it is asked for one. What goes wrong here
    /// goes wrong again when the address is requested, and is reported there.
    pub(crate) fn claim_ahead(&mut self) -> Result<Option<Difference>, ScenarioError> {
        if !self.policy.is_cluster() || !self.cluster.claiming {
            return Ok(None);
        }
        loop {
            let room = match self.room() {
                Err(ScenarioError::Ipam(_)) => return Ok(None),
                room => room?,
            };
            let Some(full) = (0..room.len()).find(|pool| room[*pool].free == 0) else { return Ok(None) };
            let run = self.next_block(full)?;
            if run.difference.is_some() {
                return Ok(run.difference);
            }
            let Ok(proposal) = run.result else { return Ok(None) };
            self.cluster.claims.insert(proposal.block, self.cluster.me.clone());
        }
    }

    /// What a node serves from: none if the policy is not a cluster policy.
    pub(crate) fn holdings(&self, log: &mut Vec<LogLine>) -> Result<Option<Holdings>, ScenarioError> {
        if !self.policy.is_cluster() || self.cluster.is_alone {
            return Ok(None);
        }
        let picture = Arc::new(self.picture(log)?);
        let blocks = RangeSet::new(picture.blocks_of(&self.cluster.me).map(IpRange::from).collect());
        Ok(Some(Holdings { blocks, picture }))
    }

    pub(crate) fn room_in(
        &self,
        holdings: Option<&Holdings>,
        log: &mut Vec<LogLine>,
    ) -> Result<Vec<PoolRoom>, IpamError> {
        let prepared = ipam::prepare(&self.policy, &self.settings, &self.context(), log)?;
        let prepared = match holdings {
            Some(Holdings { blocks, picture }) => prepared.restrict(blocks, Arc::clone(picture)),
            None => prepared,
        };
        prepared.room(self.ledger(), self.now)
    }

    fn members(&self) -> Result<Vec<String>, ScenarioError> {
        self.insist_on_cluster()?;
        Ok(BlockMap::new(self.cluster.me.as_str(), self.cluster.members.iter().cloned(), Vec::new()).members().to_vec())
    }

    fn insist_on_cluster(&self) -> Result<(), ScenarioError> {
        if self.policy.is_cluster() {
            return Ok(());
        }
        Err(ScenarioError::NotCluster { policy: self.policy.name().to_owned() })
    }

    fn unclaimed(&self, policy: &ClusterPolicy<'_>) -> BlockMap {
        policy.picture(self.cluster.me.as_str(), self.cluster.members.iter().cloned())
    }

    fn picture(&self, log: &mut Vec<LogLine>) -> Result<BlockMap, ScenarioError> {
        self.insist_on_cluster()?;
        let policy = ClusterPolicy::new(&self.policy, &self.settings, &self.context(), log)?;
        let mut picture = self.unclaimed(&policy);
        for (block, holder) in &self.cluster.claims {
            if !picture.claim(*block, holder) {
                return Err(ScenarioError::OffGrid { block: *block, grids: policy.grids().to_vec() });
            }
        }
        Ok(picture)
    }
}
