//! A network that is one member of a cluster: who holds which block, in memory.

use gingham_engine::address::IpRange;
use gingham_engine::cluster_policy::Proposal;
use gingham_engine::ipam::IpamError;
use ipnet::IpNet;

use crate::Network;
use crate::network::possible;

impl Network {
    /// The network as the node `me` of a cluster with these members sees it.
    #[must_use]
    pub fn node<'s>(mut self, me: &str, members: impl IntoIterator<Item = &'s str>) -> Self {
        self.scenario.set_node(me);
        self.set_members(members);
        self
    }

    /// The node claims no block itself: it allocates from what [`Self::claim`] gave it.
    #[must_use]
    pub fn without_claiming(mut self) -> Self {
        self.scenario.set_claiming(false);
        self
    }

    /// The members change; blocks and leases stay.
    pub fn set_members<'s>(&mut self, members: impl IntoIterator<Item = &'s str>) {
        self.scenario.set_members(members.into_iter().map(str::to_owned));
    }

    /// A member, this one or another, holds a block from now on.
    ///
    /// # Panics
    /// If the text is not a prefix, or a member holds it already.
    #[track_caller]
    pub fn claim(&mut self, member: &str, block: &str) {
        let Ok(block) = block.parse() else { panic!("claim: invalid prefix {block:?}: use one such as 10.32.0.0/24") };
        if let Err(error) = self.scenario.claim(member, block) {
            panic!("claim: {error}");
        }
    }

    /// No member holds this block any more.
    ///
    /// # Panics
    /// If it was unclaimed.
    #[track_caller]
    pub fn unclaim(&mut self, block: &str) {
        let unclaimed = block.parse().ok().and_then(|block: IpNet| self.scenario.unclaim(block).ok());
        assert!(unclaimed.is_some(), "unclaim: {block:?} is unclaimed");
    }

    /// Who holds which block, in address order: those of [`Self::claim`], and those the node claimed itself.
    pub fn claims(&self) -> Vec<(IpNet, String)> {
        self.scenario.claims().iter().map(|(block, holder)| (*block, holder.clone())).collect()
    }

    /// The ranges that the policy means for a member.
    ///
    /// # Panics
    /// If it refuses, or the policy misbehaves. [`Self::share_outcome`] does not.
    #[track_caller]
    pub fn share(&mut self, member: &str) -> Vec<IpRange> {
        match self.share_outcome(member) {
            Ok(share) => share,
            Err(error) => panic!("the share of {member} with {}: {error}", self.scenario.ipam()),
        }
    }

    /// The ranges that the policy means for a member, or why there are none.
    ///
    /// # Errors
    /// What tools would show.
    #[track_caller]
    pub fn share_outcome(&mut self, member: &str) -> Result<Vec<IpRange>, IpamError> {
        let run = possible(self.scenario.share(member));
        self.take(run)
    }

    /// The block that the policy would have this node claim next, for its first pool. It is not claimed.
    ///
    /// # Panics
    /// If it refuses, or the policy misbehaves. [`Self::next_block_outcome`] does not.
    #[track_caller]
    pub fn next_block(&mut self) -> IpNet {
        match self.next_block_outcome(0) {
            Ok(proposal) => proposal.block,
            Err(error) => {
                panic!("the next block of {} with {}: {error}", self.scenario.context().node, self.scenario.ipam())
            }
        }
    }

    /// The block that the policy would have this node claim next for one of its pools (counted from 0), or why there is
    /// none.
    ///
    /// # Errors
    /// What the plugin would report.
    #[track_caller]
    pub fn next_block_outcome(&mut self, pool: usize) -> Result<Proposal, IpamError> {
        let run = possible(self.scenario.next_block(pool));
        self.take(run)
    }
}
