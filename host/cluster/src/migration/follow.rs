//! A node takes its blocks over into the store that its cluster was moved to.

use std::time::Instant;

use gingham_engine::ledger::{Ledger as _, LedgerQueries};
use gingham_ownership::local::LocalState;
use gingham_ownership::snapshot::Snapshot;
use ipnet::IpNet;

use crate::Cluster;
use crate::error::Fault;
use crate::state::{Kept, another_store};

impl Cluster<'_> {
    /// Takes this node's blocks over into the store that its cluster was moved to: the next join confirms them there.
    /// Without a call of the store if they are of this store already.
    ///
    /// # Errors
    /// [`Fault::Settings`] if this node holds blocks of another store and its cluster was not moved here.
    pub fn follow_move(&mut self, deadline: Instant) -> Result<bool, Fault> {
        if !self.is_shared() || !self.is_of_another_store(&self.ledger()?)? {
            return Ok(false);
        }
        let records = self.read_records(deadline)?;
        records.require_open()?;
        let mut ledger = self.ledger()?;
        let Kept::Shared(local) = self.kept(&ledger)? else { return Ok(false) };
        if self.is_ours(&local) {
            return Ok(false);
        }
        let followed = self.followed(local, &records)?;
        ledger.put_cluster_state(&followed.to_bytes())?;
        ledger.commit()?;
        Ok(true)
    }

    fn followed(&self, local: LocalState, records: &Snapshot) -> Result<LocalState, Fault> {
        let own = records.members.get(local.node()).map(|seen| &seen.record);
        // A random id of this disk and an incarnation of it can only have come with a move.
        let is_known = own.is_some_and(|own| {
            own.machine == local.machine() && own.disk == local.disk() && own.incarnation == local.incarnation()
        });
        if is_known && local.node() == self.node {
            return Ok(local.of_moved_cluster(self.store_kind()));
        }
        if local.blocks().next().is_none() {
            // Its registration came too late to be moved, and it got no block.
            return Ok(LocalState::new(&self.node, local.disk()).of_store(self.store_kind()));
        }
        Err(another_store())
    }

    /// Whether what is kept is of a store of another kind.
    pub(crate) fn is_of_another_store<L: LedgerQueries>(&self, ledger: &L) -> Result<bool, Fault> {
        match self.kept(ledger)? {
            Kept::Shared(local) => Ok(!self.is_ours(&local)),
            Kept::Nothing | Kept::Fixed(_) => Ok(false),
        }
    }

    /// This node's name and blocks by its disk, whatever store they are of.
    pub(crate) fn on_disk(&self) -> Result<Option<(String, Vec<IpNet>)>, Fault> {
        match self.kept(&self.ledger()?)? {
            Kept::Shared(local) => Ok(Some((local.node().to_owned(), local.held().collect()))),
            Kept::Nothing | Kept::Fixed(_) => Ok(None),
        }
    }
}
