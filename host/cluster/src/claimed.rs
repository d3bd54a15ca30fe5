//! What this node may hand out without a network call.

use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::clock::now;
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::ranges::RangeSet;
use gingham_engine::settings::membership::StoreSettings;
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::BlockMap;
use gingham_ownership::local::{LocalState, MembershipState};

use crate::Cluster;
use crate::error::{Fault, settings};
use crate::state::{Kept, is_new};

#[derive(Debug, Clone)]
pub enum Claimed {
    /// Everything: it is alone.
    All,
    /// The addresses of these blocks.
    Blocks(Blocks),
    /// It is not a member (any more, or yet), and joins with [`Cluster::ensure`].
    NotJoined,
    /// A fixed list that is new or was changed: [`Cluster::settle_list`] has to check it.
    Unsettled,
}

/// Blocks of this node, and the block map for the policy.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Those without the ones that cool because another node used them.
    pub cooled: RangeSet,
    /// All of them: for when nothing else is free and none can be had.
    pub all: RangeSet,
    /// This node's blocks alone; the others' are not needed to choose an address.
    pub block_map: Arc<BlockMap>,
    /// Whether new addresses may be given of them without asking the agent first: another node may have taken this one over.
    pub is_confirmed: bool,
}

impl Cluster<'_> {
    /// What this node may hand out by what it knows itself: no call of the store or of the policy. Belongs into
    /// the transaction in which an address is given.
    ///
    /// # Errors
    /// [`Fault`], also if what is known belongs to another configuration.
    pub fn claimed<L: LedgerQueries>(&self, ledger: &L) -> Result<Claimed, Fault> {
        match &self.keys.store {
            StoreSettings::Local { members } if members.is_empty() => match self.kept(ledger)? {
                Kept::Nothing => Ok(Claimed::All),
                Kept::Shared(local) if is_new(&local) => Ok(Claimed::All),
                Kept::Shared(_) | Kept::Fixed(_) => Err(settings(
                    "cluster",
                    "is missing: this network is divided among several nodes, and without the key this node would hand out \
                     addresses of the others; restore the key, or use a network of another name",
                )),
            },
            StoreSettings::Local { members } => self.claimed_of_list(ledger, members),
            StoreSettings::Etcd(_) | StoreSettings::Kubernetes { .. } | StoreSettings::Directory { .. } => {
                match self.kept(ledger)? {
                    // Joining takes the blocks over.
                    Kept::Shared(local) if !self.is_ours(&local) => Ok(Claimed::NotJoined),
                    kept => self.claimed_of_member(&self.local_of(kept, ledger)?),
                }
            }
        }
    }

    fn claimed_of_member(&self, local: &LocalState) -> Result<Claimed, Fault> {
        match local.membership() {
            MembershipState::Member => Ok(Claimed::Blocks(self.blocks(local))),
            state @ MembershipState::Left => Err(ClusterError::NotMember { node: self.node.clone(), state }.into()),
            MembershipState::New | MembershipState::Rebooted | MembershipState::Joining | MembershipState::Fenced => {
                Ok(Claimed::NotJoined)
            }
        }
    }

    pub(crate) fn blocks(&self, local: &LocalState) -> Blocks {
        let mut block_map = BlockMap::new(self.node.as_str(), [], local.grids().to_vec());
        for block in local.held() {
            block_map.claim(block, self.node.as_str());
        }
        Blocks {
            cooled: RangeSet::new(local.held_cooled(now()).map(IpRange::from).collect()),
            all: RangeSet::new(local.ranges()),
            block_map: Arc::new(block_map),
            is_confirmed: self.is_confirmed(local),
        }
    }
}
