//! How many addresses are free in what this node has claimed.

use gingham_engine::address::IpRange;
use gingham_engine::ledger::{LedgerQueries, used_within};
use gingham_engine::pool::Pools;
use gingham_engine::ranges::RangeSet;
use gingham_ownership::grid::Grid;
use ipnet::IpNet;

use crate::Fault;

/// Free addresses of all these blocks that lie on a grid and that the policy can give: in a pool, and neither a network,
/// broadcast nor gateway address. What is counted here and cannot be given would keep a full node from claiming.
pub(crate) fn free_for<L: LedgerQueries>(
    pools: &Pools,
    ledger: &L,
    grid: &Grid,
    blocks: impl Iterator<Item = IpNet>,
    exclude: &RangeSet,
) -> Result<u64, Fault> {
    let mut free: u128 = 0;
    for block in blocks.filter(|block| grid.index(*block).is_some()) {
        free = free.saturating_add(free_of(pools, ledger, block.into(), exclude)?);
    }
    Ok(u64::try_from(free).unwrap_or(u64::MAX))
}

/// The same of any range.
pub(crate) fn free_of<L: LedgerQueries>(
    pools: &Pools,
    ledger: &L,
    within: IpRange,
    exclude: &RangeSet,
) -> Result<u128, Fault> {
    let mut free: u128 = 0;
    for part in pools.open_ranges_touching(within).filter_map(|range| range.intersection(&within)) {
        for part in pools.usable_within(part, exclude) {
            free = free.saturating_add(part.len().saturating_sub(used_within(ledger, part)?));
        }
    }
    Ok(free)
}
