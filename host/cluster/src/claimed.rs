//! What this node may hand out without asking anybody.

use std::sync::Arc;

use gingham_engine::address::IpRange;
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::ranges::RangeSet;
use gingham_engine::settings::cluster::StoreSettings;
use gingham_ownership::error::ClusterError;
use gingham_ownership::grid::Picture;
use gingham_ownership::local::{LocalState, Standing};

use crate::error::{Fault, settings};
use crate::state::{Kept, is_new};
use crate::{Cluster, now};

/// What this node may hand out.
#[derive(Debug, Clone)]
pub enum Claimed {
    /// Everything: it is alone.
    All,
    /// The addresses of these blocks.
    Blocks(Blocks),
    /// It is no member (any more, or yet), and joins when it is told to get room.
    NotJoined,
    /// A fixed list that was not looked at before, or is another now: the policy has to be asked.
    Unsettled,
}

/// Blocks of this node, and what a policy is shown of the cluster with them.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// Those without the ones that rest because somebody who is gone used them.
    pub rested: RangeSet,
    /// All of them: for when nothing else is free and none can be had.
    pub all: RangeSet,
    /// This node's blocks alone; the others' are not needed to choose an address.
    pub picture: Arc<Picture>,
}

impl Cluster<'_> {
    /// What this node may hand out by what it knows itself: no call of the store, no question to the policy. Belongs into
    /// the very transaction in which an address is given.
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
                    "is missing: this network is divided among several nodes, and without it this node would hand out \
                     what is theirs; put it back, or use a network of another name",
                )),
            },
            StoreSettings::Local { members } => self.claimed_of_list(ledger, members),
            StoreSettings::Etcd(_) | StoreSettings::Directory { .. } => self.claimed_of_member(&self.local(ledger)?),
        }
    }

    fn claimed_of_member(&self, local: &LocalState) -> Result<Claimed, Fault> {
        match local.standing() {
            Standing::Member => Ok(Claimed::Blocks(self.blocks(local))),
            standing @ Standing::Left => Err(ClusterError::NotMember { node: self.node.clone(), standing }.into()),
            Standing::New | Standing::Rebooted | Standing::Joining | Standing::Fenced => Ok(Claimed::NotJoined),
        }
    }

    pub(crate) fn blocks(&self, local: &LocalState) -> Blocks {
        let mut picture = Picture::new(self.node.as_str(), [], local.grids().to_vec());
        for block in local.held() {
            picture.claim(block, self.node.as_str());
        }
        Blocks {
            rested: RangeSet::new(local.held_rested(now()).map(IpRange::from).collect()),
            all: RangeSet::new(local.ranges()),
            picture: Arc::new(picture),
        }
    }
}
