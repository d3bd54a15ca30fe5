//! How many addresses are free in what this node has claimed.

use gingham_engine::address::{IpRange, number};
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::pool::Pools;
use gingham_engine::ranges::RangeSet;
use gingham_ownership::grid::Grid;
use ipnet::IpNet;

use crate::Fault;

/// Leased, resting and reserved addresses of a range.
pub(crate) fn used_in<L: LedgerQueries>(ledger: &L, range: IpRange) -> Result<u128, Fault> {
    let mut used = 0;
    let mut from = range.first();
    while let Some(run) = ledger.next_used_run(from)? {
        let Some(common) = run.intersection(&range) else { break };
        used += size(common);
        match gingham_engine::address::successor(common.last()) {
            Some(next) if next <= range.last() => from = next,
            _ => break,
        }
    }
    Ok(used)
}

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
        for part in exclude.without(part) {
            let reserved = pools.unusable_within(part).len() as u128;
            let taken = used_in(ledger, part)?.saturating_add(reserved);
            free = free.saturating_add(size(part).saturating_sub(taken));
        }
    }
    Ok(free)
}

/// How many addresses a range has.
pub(crate) fn size(range: IpRange) -> u128 {
    (number(range.last()) - number(range.first())).saturating_add(1)
}
