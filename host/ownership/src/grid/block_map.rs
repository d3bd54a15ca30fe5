//! Which member holds which block, at one moment, as one member sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Grid;
use crate::address::IpRange;
use crate::ranges::RangeSet;

/// What a policy's proposals are based on, and checked against. It decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMap {
    me: String,
    members: Vec<String>,
    grids: Vec<Grid>,
    claimed: BTreeMap<IpNet, String>,
    /// For each grid: maximal runs of claimed blocks, first number to last.
    runs: Vec<BTreeMap<u128, u128>>,
    /// Addresses that no container gets: a block that has no others is not worth claiming.
    excluded: RangeSet,
}

impl BlockMap {
    /// A cluster in which nothing is claimed. `me` is a member whether named or not; order and repetition of the others
    /// mean nothing. The grids are disjoint.
    pub fn new(me: impl Into<String>, members: impl IntoIterator<Item = String>, grids: Vec<Grid>) -> Self {
        let me = me.into();
        let mut members: Vec<String> = members.into_iter().chain([me.clone()]).collect();
        members.sort_unstable();
        members.dedup();
        let runs = grids.iter().map(|_| BTreeMap::new()).collect();
        Self { me, members, grids, claimed: BTreeMap::new(), runs, excluded: RangeSet::default() }
    }

    /// With these addresses excluded for all: blocks that lie in them as a whole are not offered for a claim.
    #[must_use]
    pub fn excluding(mut self, excluded: RangeSet) -> Self {
        self.excluded = excluded;
        self
    }

    pub fn me(&self) -> &str {
        &self.me
    }

    /// All members in byte order, `me` among them.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// The grids, in the order of the policy's pools.
    pub fn grids(&self) -> &[Grid] {
        &self.grids
    }

    /// The claimed blocks in address order, with the name of who holds each.
    pub fn claimed(&self) -> impl Iterator<Item = (IpNet, &str)> {
        self.claimed.iter().map(|(block, holder)| (*block, holder.as_str()))
    }

    pub fn claimed_count(&self) -> usize {
        self.claimed.len()
    }

    /// The blocks of one member, in address order. Looks at all claimed blocks.
    pub fn blocks_of(&self, member: &str) -> impl Iterator<Item = IpNet> {
        self.claimed().filter(move |(_, holder)| *holder == member).map(|(block, _)| block)
    }

    pub fn holder(&self, block: IpNet) -> Option<&str> {
        self.claimed.get(&block).map(String::as_str)
    }

    pub fn holder_of(&self, address: IpAddr) -> Option<&str> {
        self.grids.iter().find_map(|grid| grid.block_of(address)).and_then(|block| self.holder(block))
    }

    /// Enters a claim. False, and nothing is changed, if the block is on no grid or claimed already.
    pub fn claim(&mut self, block: IpNet, holder: impl Into<String>) -> bool {
        let Some((at, index)) = self.place(block) else { return false };
        if self.claimed.contains_key(&block) {
            return false;
        }
        self.claimed.insert(block, holder.into());
        let runs = &mut self.runs[at];
        let last = index.checked_add(1).and_then(|next| runs.remove(&next)).unwrap_or(index);
        let below = runs.range(..index).next_back().filter(|(_, last)| **last + 1 == index);
        let first = below.map_or(index, |(first, _)| *first);
        runs.insert(first, last);
        true
    }

    /// Removes a claim; returns its holder.
    pub fn unclaim(&mut self, block: IpNet) -> Option<String> {
        let holder = self.claimed.remove(&block)?;
        let (at, index) = self.place(block)?;
        let runs = &mut self.runs[at];
        if let Some((first, last)) = runs.range(..=index).next_back().map(|(first, last)| (*first, *last)) {
            runs.remove(&first);
            if first < index {
                runs.insert(first, index - 1);
            }
            if index < last {
                runs.insert(index + 1, last);
            }
        }
        Some(holder)
    }

    /// The first unclaimed block that lies within the range as a whole and begins strictly above `after`.
    pub fn next_unclaimed(&self, within: IpRange, after: Option<IpAddr>) -> Option<IpNet> {
        self.find_unclaimed(within, after, &mut 0)
    }

    /// How many unclaimed blocks lie within the range as a whole; it saturates.
    pub fn unclaimed_count(&self, within: IpRange) -> u64 {
        self.count_unclaimed(within, &mut 0)
    }

    /// [`Self::next_unclaimed`]; adds the runs it passed to `steps`.
    pub fn find_unclaimed(&self, within: IpRange, after: Option<IpAddr>, steps: &mut u64) -> Option<IpNet> {
        // Grids are few and disjoint, and in the order of the pools, not of their addresses.
        (0..self.grids.len()).filter_map(|at| self.find_on(at, within, after, steps)).min()
    }

    /// [`Self::unclaimed_count`]; adds the runs it passed to `steps`.
    pub fn count_unclaimed(&self, within: IpRange, steps: &mut u64) -> u64 {
        let unclaimed = (0..self.grids.len()).map(|at| self.count_on(at, within, steps));
        u64::try_from(unclaimed.fold(0, u128::saturating_add)).unwrap_or(u64::MAX)
    }

    fn place(&self, block: IpNet) -> Option<(usize, u128)> {
        self.grids.iter().enumerate().find_map(|(at, grid)| Some((at, grid.index(block)?)))
    }

    fn find_on(&self, at: usize, within: IpRange, after: Option<IpAddr>, steps: &mut u64) -> Option<IpNet> {
        let grid = &self.grids[at];
        let (mut index, last) = grid.whole_blocks(within)?;
        if let Some(after) = after.filter(|after| *after >= grid.range().network()) {
            index = index.max(grid.index_of(after)?.checked_add(1)?);
        }
        while index <= last {
            *steps += 1;
            if let Some((_, end)) = self.runs[at].range(..=index).next_back().filter(|(_, end)| index <= **end) {
                index = end.checked_add(1)?;
                continue;
            }
            let block = grid.block(index)?;
            match self.excluded.holding(block.network()).filter(|excluded| excluded.contains(block.broadcast())) {
                None => return Some(block),
                Some(excluded) => index = grid.whole_blocks(excluded)?.1.checked_add(1)?,
            }
        }
        None
    }

    fn count_on(&self, at: usize, within: IpRange, steps: &mut u64) -> u128 {
        let grid = &self.grids[at];
        let unclaimed = |(first, last): (u128, u128), steps: &mut u64| {
            (last - first + 1) - self.claimed_between(at, first, last, steps)
        };
        let Some(whole) = grid.whole_blocks(within) else { return 0 };
        let mut count = unclaimed(whole, steps);
        for excluded in self.excluded.common(within) {
            count -= grid.whole_blocks(excluded).map_or(0, |blocks| unclaimed(blocks, steps));
        }
        count
    }

    fn claimed_between(&self, at: usize, first: u128, last: u128, steps: &mut u64) -> u128 {
        let runs = &self.runs[at];
        let before = runs.range(..first).next_back().filter(|(_, end)| first <= **end);
        before.into_iter().chain(runs.range(first..=last)).fold(0, |count, (begin, end)| {
            *steps += 1;
            count + ((*end).min(last) - (*begin).max(first) + 1)
        })
    }
}
