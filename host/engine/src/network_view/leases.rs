//! Interface `leases`: what each address is, and who holds it.

use std::net::IpAddr;

use super::NetworkView;
use crate::address::{IpRange, successor};
use crate::attachment::AttachmentKey;
use crate::ledger::LedgerQueries;
use crate::occupied::Occupant;
use crate::runtime::view::{AddressState, FormerHolderInfo, LeaseInfo, LeaseView, ViewError};
use crate::store_error::StoreError;

impl<L: LedgerQueries> NetworkView<L> {
    fn lease(&self, address: IpAddr, key: AttachmentKey) -> Result<Option<LeaseInfo>, StoreError> {
        let Some(record) = self.ledger.attachment(&key)? else { return Ok(None) };
        Ok(Some(LeaseInfo { address, key, since: record.since, pod: record.pod, reason: record.reason }))
    }
}

/// What of a range lies above an address.
fn above(within: IpRange, after: Option<IpAddr>) -> Option<IpRange> {
    match after {
        Some(after) if after >= within.first() => successor(after).and_then(|first| IpRange::new(first, within.last())),
        _ => Some(within),
    }
}

fn saturate(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl<L: LedgerQueries> LeaseView for NetworkView<L> {
    fn next_free(&mut self, within: IpRange, after: Option<IpAddr>) -> Result<Option<IpAddr>, ViewError> {
        let Some(wanted) = above(within, after) else { return Ok(None) };
        for part in self.open_parts(wanted) {
            if let Some(free) = self.first_free(part)? {
                return Ok(Some(free));
            }
        }
        Ok(None)
    }

    fn address_state(&mut self, address: IpAddr) -> Result<AddressState, ViewError> {
        self.charge(1)?;
        if self.pools.locate(address).is_none() {
            return Ok(AddressState::Outside);
        }
        if self.excluded.holding(address).is_some() {
            return Ok(AddressState::Excluded);
        }
        if self.pools.is_unusable(address) {
            return Ok(AddressState::Unusable);
        }
        match self.occupant(address) {
            Some(Occupant::Node) => return Ok(AddressState::Unusable),
            Some(Occupant::Network(_)) => return Ok(AddressState::Leased),
            None => {}
        }
        if self.ledger.holder(address)?.is_some() {
            return Ok(AddressState::Leased);
        }
        if self.pools.is_draining(address) {
            return Ok(AddressState::Draining);
        }
        if !self.reservations.has(address) && self.current_reservation(address)?.is_some() {
            return Ok(AddressState::Reserved);
        }
        let is_cooling = !self.free_early.contains(&address) && self.ledger.cooling_since(address)?.is_some();
        if is_cooling && !self.is_own(address)? {
            return Ok(AddressState::Cooling);
        }
        Ok(AddressState::Free)
    }

    fn holder(&mut self, address: IpAddr) -> Result<Option<LeaseInfo>, ViewError> {
        self.charge(1)?;
        let Some(key) = self.ledger.holder(address)? else { return Ok(None) };
        Ok(self.lease(address, key)?)
    }

    fn last_holder(&mut self, address: IpAddr) -> Result<Option<FormerHolderInfo>, ViewError> {
        self.charge(1)?;
        let found = self.ledger.last_holder(address)?;
        Ok(found.map(|(holder, freed_at)| FormerHolderInfo { holder, freed_at }))
    }

    fn list(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<LeaseInfo>, ViewError> {
        let Some(wanted) = above(within, after) else { return Ok(Vec::new()) };
        let leases = self.ledger.leases_within(wanted, most)?;
        self.charge(leases.len() as u64)?;
        let mut list = Vec::with_capacity(leases.len());
        for (address, key) in leases {
            list.extend(self.lease(address, key)?);
        }
        Ok(list)
    }

    fn of_namespace(
        &mut self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<LeaseInfo>, ViewError> {
        let addresses = self.ledger.leases_of_namespace(namespace, after, most)?;
        self.charge(addresses.len() as u64)?;
        let mut list = Vec::with_capacity(addresses.len());
        for address in addresses {
            if let Some(key) = self.ledger.holder(address)? {
                list.extend(self.lease(address, key)?);
            }
        }
        Ok(list)
    }

    fn count_of_namespace(&mut self, namespace: &str) -> Result<u64, ViewError> {
        self.charge(1)?;
        Ok(self.ledger.lease_count_of_namespace(namespace)?)
    }

    fn free_ranges(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<IpRange>, ViewError> {
        let Some(wanted) = above(within, after) else { return Ok(Vec::new()) };
        let mut runs = Vec::new();
        for part in self.open_parts(wanted) {
            self.free_runs(part, most, &mut runs)?;
        }
        Ok(runs)
    }

    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        self.leased_within(within).map(saturate)
    }

    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        self.free_within(within).map(saturate)
    }
}
