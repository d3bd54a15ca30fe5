//! A network that is one member of a cluster: who holds which block, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::cluster_policy::{ClusterPolicy, Proposal};
use gingham_engine::ipam::{self, IpamError, PoolRoom};
use gingham_engine::memory_ledger::MemoryLedger;
use gingham_engine::ranges::RangeSet;
use gingham_engine::runtime::LogLine;
use gingham_ownership::grid::BlockMap;
use ipnet::IpNet;

use crate::Network;
use crate::network::NAME;

/// What the network's node knows of its cluster.
pub(crate) struct Cluster {
    pub(crate) me: String,
    members: Vec<String>,
    claims: BTreeMap<IpNet, String>,
    /// Whether the node claims a block when it has no free address.
    claiming: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self { me: "node-1".to_owned(), members: Vec::new(), claims: BTreeMap::new(), claiming: true }
    }
}

/// What a node serves from.
pub(crate) struct Holdings {
    pub(crate) blocks: RangeSet,
    pub(crate) picture: Arc<BlockMap>,
}

impl Network {
    /// The network as the node `me` of a cluster with these members sees it.
    #[must_use]
    pub fn node<'s>(mut self, me: &str, members: impl IntoIterator<Item = &'s str>) -> Self {
        me.clone_into(&mut self.cluster.me);
        self.cluster.members = members.into_iter().map(str::to_owned).collect();
        self
    }

    /// The node claims no block itself: it allocates from what [`Self::claim`] gave it.
    #[must_use]
    pub fn without_claiming(mut self) -> Self {
        self.cluster.claiming = false;
        self
    }

    /// The members change; blocks and leases stay.
    pub fn set_members<'s>(&mut self, members: impl IntoIterator<Item = &'s str>) {
        self.cluster.members = members.into_iter().map(str::to_owned).collect();
    }

    /// A member, this one or another, holds a block from now on.
    ///
    /// # Panics
    /// If the text is not a prefix, or a member holds it already.
    #[track_caller]
    pub fn claim(&mut self, member: &str, block: &str) {
        let Ok(block) = block.parse() else { panic!("claim: invalid prefix {block:?}: use one such as 10.32.0.0/24") };
        if let Some(holder) = self.cluster.claims.insert(block, member.to_owned()) {
            panic!("claim: {holder} holds {block} already");
        }
    }

    /// No member holds this block any more.
    ///
    /// # Panics
    /// If it was unclaimed.
    #[track_caller]
    pub fn unclaim(&mut self, block: &str) {
        let held = block.parse().ok().and_then(|block: IpNet| self.cluster.claims.remove(&block));
        assert!(held.is_some(), "unclaim: {block:?} is unclaimed");
    }

    /// Who holds which block, in address order: those of [`Self::claim`], and those the node claimed itself.
    pub fn claims(&self) -> Vec<(IpNet, String)> {
        self.cluster.claims.iter().map(|(block, holder)| (*block, holder.clone())).collect()
    }

    /// The ranges that the policy means for a member.
    ///
    /// # Panics
    /// If it refuses, or the policy misbehaves. [`Self::share_outcome`] does not.
    #[track_caller]
    pub fn share(&mut self, member: &str) -> Vec<IpRange> {
        match self.share_outcome(member) {
            Ok(share) => share,
            Err(error) => panic!("the share of {member} with {}: {error}", self.ipam),
        }
    }

    /// The ranges that the policy means for a member, or why there are none.
    ///
    /// # Errors
    /// What tools would show.
    #[track_caller]
    pub fn share_outcome(&mut self, member: &str) -> Result<Vec<IpRange>, IpamError> {
        let ask = |log: &mut Vec<LogLine>| {
            let policy = self.policy_of_cluster(log)?;
            policy.share(self.picture(&policy).members(), member, log)
        };
        let (result, log) = twice("the share", ask);
        self.note_log(log);
        result
    }

    /// The block that the policy would have this node claim next, for its first pool. It is not claimed.
    ///
    /// # Panics
    /// If it refuses, or the policy misbehaves. [`Self::next_block_outcome`] does not.
    #[track_caller]
    pub fn next_block(&mut self) -> IpNet {
        match self.next_block_outcome(0) {
            Ok(proposal) => proposal.block,
            Err(error) => panic!("the next block of {} with {}: {error}", self.cluster.me, self.ipam),
        }
    }

    /// The block that the policy would have this node claim next for one of its pools (counted from 0), or why there is
    /// none.
    ///
    /// # Errors
    /// What the plugin would report.
    #[track_caller]
    pub fn next_block_outcome(&mut self, pool: usize) -> Result<Proposal, IpamError> {
        let ask = |log: &mut Vec<LogLine>| {
            let policy = self.policy_of_cluster(log)?;
            policy.next_block(pool, &Arc::new(self.picture(&policy)), log)
        };
        let (result, log) = twice("the next block", ask);
        self.note_log(log);
        result
    }

    /// Claims blocks until every pool has a free address, as a node does before it is asked for one. What goes wrong here
    /// goes wrong again when the address is requested, and is reported there.
    #[track_caller]
    pub(crate) fn claim_ahead(&mut self) {
        if !self.policy.is_cluster() || !self.cluster.claiming {
            return;
        }
        loop {
            let mut log = Vec::new();
            let holdings = self.holdings(&mut log);
            let room = holdings.and_then(|holdings| self.room_in(holdings.as_ref(), &mut log));
            let Ok(room) = room else { return };
            let full = (0..room.len()).find(|pool| room[*pool].free == 0);
            let Some(Ok(proposal)) = full.map(|pool| self.next_block_outcome(pool)) else { return };
            self.cluster.claims.insert(proposal.block, self.cluster.me.clone());
        }
    }

    /// What a node serves from: none if the policy is not a cluster policy.
    pub(crate) fn holdings(&self, log: &mut Vec<LogLine>) -> Result<Option<Holdings>, IpamError> {
        if !self.policy.is_cluster() {
            return Ok(None);
        }
        let policy = self.policy_of_cluster(log)?;
        let picture = Arc::new(self.picture(&policy));
        let blocks = RangeSet::new(picture.blocks_of(&self.cluster.me).map(IpRange::from).collect());
        Ok(Some(Holdings { blocks, picture }))
    }

    pub(crate) fn room_in(
        &self,
        holdings: Option<&Holdings>,
        log: &mut Vec<LogLine>,
    ) -> Result<Vec<PoolRoom>, IpamError> {
        let prepared = ipam::prepare::<MemoryLedger>(&self.policy, &self.settings, &self.context(), log)?;
        let prepared = match holdings {
            Some(Holdings { blocks, picture }) => prepared.restrict(blocks, Arc::clone(picture)),
            None => prepared,
        };
        prepared.room(self.store.ledger(NAME))
    }

    #[track_caller]
    fn policy_of_cluster(&self, log: &mut Vec<LogLine>) -> Result<ClusterPolicy<'_, MemoryLedger>, IpamError> {
        let name = self.policy.name();
        assert!(self.policy.is_cluster(), "{name} is not a cluster policy: use `policy!(…, cluster)`");
        ClusterPolicy::new(&self.policy, &self.settings, &self.context(), log)
    }

    fn picture(&self, policy: &ClusterPolicy<'_, MemoryLedger>) -> BlockMap {
        let mut picture = policy.picture(&self.cluster.me, self.cluster.members.iter().cloned());
        for (block, holder) in &self.cluster.claims {
            assert!(picture.claim(*block, holder), "claim: {block} is not a block of {:?}", policy.grids());
        }
        picture
    }
}

/// Asks a question twice, of two fresh instances, and insists on one answer.
#[track_caller]
fn twice<T: std::fmt::Debug>(
    what: &str,
    ask: impl Fn(&mut Vec<LogLine>) -> Result<T, IpamError>,
) -> (Result<T, IpamError>, Vec<LogLine>) {
    let (mut first_log, mut log) = (Vec::new(), Vec::new());
    let (first, result) = (ask(&mut first_log), ask(&mut log));
    let shown = |result: &Result<T, IpamError>, log: &[LogLine]| format!("{result:?}, {log:?}");
    let (one, two) = (shown(&first, &first_log), shown(&result, &log));
    assert!(one == two, "expected the same from a second, fresh instance, but {what} differs: first {one}, then {two}");
    (result, log)
}
