//! How full this node's part of the range is, and which leases lie outside of it.

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::clock::now;
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::ranges::RangeSet;
use ipnet::IpNet;

use crate::claimed::Claimed;
use crate::error::Fault;
use crate::free_addresses::free_of;
use crate::{Cluster, Policy};

/// How full this node's part of the range is. Counts are of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occupancy {
    pub leased: u64,
    /// Freed, and not to be handed out again yet.
    pub cooling: u64,
    /// What the next containers can have.
    pub free: u64,
    /// The blocks held, in address order; none where no store has blocks.
    pub blocks: Vec<IpNet>,
    /// Leased to containers outside of what this node holds: another node may hand the same out.
    pub outside: Vec<IpAddr>,
}

/// How many addresses stop cooling in one transaction.
const RESTS_ENDED: usize = 4_096;

impl Cluster<'_> {
    /// Counts, and frees what has cooled long enough: on a node without ADDs nothing else does.
    pub fn occupancy(&self, policy: &Policy<'_>) -> Result<Occupancy, Fault> {
        let mut ledger = self.ledger()?;
        let cooldown = u64::try_from(self.settings.cooldown.as_millis()).unwrap_or(u64::MAX);
        let ended = ledger.end_cooldowns(now().saturating_sub(cooldown), RESTS_ENDED)?;
        let occupancy = self.count(&ledger, policy)?;
        if ended > 0 {
            ledger.commit()?;
        }
        Ok(occupancy)
    }

    /// The blocks whose addresses this node may hand out by what it knows itself, in address order.
    pub fn held(&self) -> Result<Vec<IpNet>, Fault> {
        Ok(self.local(&self.ledger()?)?.held().collect())
    }

    fn count<L: LedgerQueries>(&self, ledger: &L, policy: &Policy<'_>) -> Result<Occupancy, Fault> {
        let mut occupancy = Occupancy::default();
        let mine = self.part(ledger, policy, &mut occupancy.blocks)?;
        let mut free: u128 = 0;
        for range in mine.iter() {
            occupancy.cooling += ledger.cooling_count(range)?;
            free = free.saturating_add(free_of(policy.pools(), ledger, range, &self.settings.exclude)?);
        }
        occupancy.free = u64::try_from(free).unwrap_or(u64::MAX);
        for (key, record) in ledger.attachments()? {
            occupancy.leased += u64::try_from(record.addresses.len()).unwrap_or(u64::MAX);
            if !key.is_nodes_own() {
                let is_outside = |address: &IpAddr| mine.holding(*address).is_none();
                occupancy.outside.extend(record.addresses.into_iter().filter(is_outside));
            }
        }
        Ok(occupancy)
    }

    fn part<L: LedgerQueries>(
        &self,
        ledger: &L,
        policy: &Policy<'_>,
        blocks: &mut Vec<IpNet>,
    ) -> Result<RangeSet, Fault> {
        if self.is_shared() {
            blocks.extend(self.local(ledger)?.held());
            return Ok(RangeSet::new(blocks.iter().copied().map(IpRange::from).collect()));
        }
        Ok(match self.claimed(ledger)? {
            Claimed::Blocks(share) => share.all,
            Claimed::All => RangeSet::new(policy.pools().ranges().collect()),
            Claimed::NotJoined | Claimed::Unsettled => RangeSet::default(),
        })
    }
}
