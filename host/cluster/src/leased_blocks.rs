//! Claiming the blocks that this node's own containers have addresses of. A store that was emptied, by hand or by deleting its
//! definitions, knows none of them, while the containers run.

use std::collections::BTreeSet;
use std::time::Instant;

use gingham_ownership::claim::{Chooser, Claim, ClaimError};
use gingham_ownership::grid::BlockMap;
use gingham_ownership::snapshot::Snapshot;
use ipnet::IpNet;

use crate::error::Fault;
use crate::{Cluster, Policy};

/// Leaves it if it is another's.
struct Exactly(IpNet);

impl Chooser for Exactly {
    type Error = ();

    fn next_block(&mut self, map: &BlockMap) -> Result<IpNet, ()> {
        map.next_unclaimed(self.0.into(), None).filter(|block| *block == self.0).ok_or(())
    }
}

impl Cluster<'_> {
    /// Claims the blocks of addresses that are leased here, not held, and not claimed by the records. Without such an address,
    /// and where all of them are of blocks of others, no call is made.
    ///
    /// # Errors
    /// [`Fault`]; what was claimed before stays.
    pub fn claim_blocks_of_leases(
        &mut self,
        policy: &Policy<'_>,
        records: &Snapshot,
        deadline: Instant,
    ) -> Result<Vec<IpNet>, Fault> {
        let outside = self.occupancy(policy)?.outside;
        let mut wanted = BTreeSet::new();
        for (number, grid) in policy.grids().iter().enumerate() {
            wanted.extend(outside.iter().filter_map(|address| Some((number, grid.block_of(*address)?))));
        }
        let mut claimed = Vec::new();
        for (grid, block) in wanted {
            if records.live_overlap(block).is_some() || records.is_unreadable(block) {
                continue;
            }
            match self.drive(Claim::new(Exactly(block), grid, 0), deadline)?.0 {
                Ok(done) => claimed.push(done.block),
                // Another node was first: the reconcile reports the addresses.
                Err(ClaimError::Refused(()) | ClaimError::BadProposal { .. }) => {}
                Err(ClaimError::Cluster(error)) => return Err(error.into()),
            }
        }
        Ok(claimed)
    }
}
