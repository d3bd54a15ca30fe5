//! The search for free addresses, and their count.

use std::net::IpAddr;

use super::NetworkView;
use crate::address::{IpRange, predecessor, successor};
use crate::ledger::{LedgerQueries, Reservation, used_runs};
use crate::runtime::view::ViewError;
use crate::store_error::StoreError;

impl<L: LedgerQueries> NetworkView<L> {
    /// The parts of a range that lie in ranges of the pools that give out addresses.
    pub(super) fn open_parts(&self, within: IpRange) -> Vec<IpRange> {
        self.pools.open_ranges_touching(within).filter_map(|range| range.intersection(&within)).collect()
    }

    pub(super) fn first_free(&mut self, mut part: IpRange) -> Result<Option<IpAddr>, ViewError> {
        loop {
            self.charge(1)?;
            let unused = self.ledger.next_unused(part)?;
            let early = self.free_early.range(part.first()..=part.last()).next().copied();
            let Some(candidate) = unused.into_iter().chain(early).min() else { return Ok(None) };
            let taken = early == Some(candidate) && self.is_taken(candidate)?;
            let until = if taken { Some(candidate) } else { self.forbidden_until(candidate) };
            let Some(until) = until else { return Ok(Some(candidate)) };
            let Some(rest) = successor(until).and_then(|next| IpRange::new(next, part.last())) else { return Ok(None) };
            part = rest;
        }
    }

    /// The end of the forbidden stretch this address lies in, if it does.
    fn forbidden_until(&self, address: IpAddr) -> Option<IpAddr> {
        if let Some(range) = self.excluded.holding(address) {
            return Some(range.last());
        }
        if let Some(range) = self.occupied.ranges.holding(address) {
            return Some(range.last());
        }
        let is_taken = self.pools.is_unusable(address) || self.reservations.has(address);
        is_taken.then_some(address)
    }

    /// Whether an address that counts as free although it is cooling is taken after all.
    fn is_taken(&self, address: IpAddr) -> Result<bool, StoreError> {
        Ok(self.ledger.holder(address)?.is_some() || self.recorded_reservation(address)?.is_some())
    }

    /// Adds the free runs of a part, which lies in one range of the pools.
    pub(super) fn free_runs(&mut self, part: IpRange, most: usize, runs: &mut Vec<IpRange>) -> Result<(), ViewError> {
        let mut rest = Some(part);
        while let Some(open) = rest.filter(|_| runs.len() < most) {
            let Some(first) = self.first_free(open)? else { break };
            let end = self.end_of_free(first, open)?;
            runs.extend(IpRange::new(first, end));
            rest = successor(end).and_then(|next| IpRange::new(next, open.last()));
        }
        Ok(())
    }

    /// The last address of the free run that begins with this one.
    fn end_of_free(&mut self, first: IpAddr, within: IpRange) -> Result<IpAddr, ViewError> {
        self.charge(1)?;
        let used = self.ledger.next_used_run(first)?.map(|run| run.first());
        if used == Some(first) || self.free_early.contains(&first) {
            // A cooling address that counts as free lies in a run of used addresses.
            return Ok(first);
        }
        let open = IpRange::new(first, within.last()).unwrap_or(IpRange::single(first));
        let excluded = self.excluded.common(open).next().map(|range| range.first());
        let occupied = self.occupied.ranges.common(open).next().map(|range| range.first());
        let unusable = self.pools.unusable_within(open).first().copied();
        let reserved = self.reservations.within(open).next();
        let stop = [used, excluded, occupied, unusable, reserved]
            .into_iter()
            .flatten()
            .filter(|at| within.contains(*at))
            .min();
        Ok(stop.and_then(predecessor).unwrap_or(within.last()))
    }

    pub(super) fn free_within(&mut self, within: IpRange) -> Result<u128, ViewError> {
        let mut free = 0_u128;
        for part in self.permitted(self.open_parts(within).into_iter()) {
            let in_use = self.in_use(part)?.saturating_add(self.newly_reserved(part)?);
            free = free.saturating_add(part.len().saturating_sub(in_use));
            let early: Vec<IpAddr> = self.free_early.range(part.first()..=part.last()).copied().collect();
            for address in early {
                let is_cooling = self.ledger.cooling_since(address)?.is_some();
                let is_free = is_cooling && !self.reservations.has(address) && !self.is_taken(address)?;
                free = free.saturating_add(u128::from(is_free));
            }
        }
        Ok(free)
    }

    /// Addresses of the range that are in use only because this call reserved them.
    fn newly_reserved(&mut self, within: IpRange) -> Result<u128, ViewError> {
        let reserved: Vec<IpAddr> = self.reservations.within(within).collect();
        self.charge(reserved.len() as u64)?;
        let mut count = 0;
        for address in reserved {
            let is_recorded = self.ledger.next_used_run(address)?.is_some_and(|run| run.contains(address));
            count += u128::from(!is_recorded);
        }
        Ok(count)
    }

    /// Addresses of the range that are leased.
    pub(super) fn leased_within(&mut self, within: IpRange) -> Result<u128, ViewError> {
        let in_use = self.in_use(within)?;
        let cooling = self.ledger.cooling_count(within)?;
        self.charge(cooling)?;
        let others = cooling.saturating_add(self.reserved_count(within)?);
        Ok(in_use.saturating_sub(u128::from(others)))
    }

    /// Addresses of the range that are leased, cooling or reserved.
    fn in_use(&mut self, within: IpRange) -> Result<u128, ViewError> {
        let (mut count, mut steps) = (0_u128, 1);
        for run in used_runs(&self.ledger, within) {
            count = count.saturating_add(run?.len());
            steps += 1;
            if steps > self.steps_left {
                return Err(ViewError::Steps { limit: super::STEPS });
            }
        }
        self.charge(steps)?;
        Ok(count)
    }

    /// Addresses of the range that are in use because they are reserved, and for no other reason.
    pub fn reserved_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let reserved = self.ledger.reservations_within(within)?;
        self.charge(reserved.len() as u64)?;
        let mut count = 0;
        for Reservation { address, .. } in reserved {
            let is_used = self.ledger.holder(address)?.is_some() || self.ledger.cooling_since(address)?.is_some();
            count += u64::from(!is_used);
        }
        Ok(count)
    }
}
