//! Reservations: by address, by key and by their end.

use std::net::IpAddr;

use super::Snapshot;
use crate::address::IpRange;
use crate::ledger::Reservation;
use crate::store::StoreError;
use crate::store::key::{self, NetworkId, Table};

impl Snapshot<'_> {
    pub(in crate::store) fn reservation(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<Reservation>, StoreError> {
        let bytes = self.get(&key::by_address(Table::Reservations, net, address))?;
        bytes.map(|bytes| self.reserved(address, bytes)).transpose()
    }

    fn reserved(&self, address: IpAddr, bytes: &[u8]) -> Result<Reservation, StoreError> {
        let broken = || self.broken("a reservation");
        let (until, key) = bytes.split_first_chunk().ok_or_else(broken)?;
        let key = std::str::from_utf8(key).map_err(|_| broken())?.to_owned();
        Ok(Reservation { address, key, until: u64::from_be_bytes(*until) })
    }

    pub(in crate::store) fn reservations_of(&self, net: NetworkId, key: &str) -> Result<Vec<Reservation>, StoreError> {
        let prefix = key::reservation_keys(net, key);
        let mut found = Vec::new();
        self.scan(&prefix, |entry, _| {
            let address = key::read_address(&entry[prefix.len()..]).ok_or_else(|| self.broken("a reservation"))?;
            found.extend(self.reservation(net, address)?);
            Ok(true)
        })?;
        Ok(found)
    }

    pub(in crate::store) fn reservations_within(
        &self,
        net: NetworkId,
        within: IpRange,
    ) -> Result<Vec<Reservation>, StoreError> {
        let mut found = Vec::new();
        self.scan_addresses(Table::Reservations, net, within, |address, bytes| {
            found.push(self.reserved(address, bytes)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Reservations that end at `now` or before, the earliest first, at most `most`.
    pub(in crate::store) fn reservations_over(
        &self,
        net: NetworkId,
        now: u64,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let mut over = Vec::new();
        self.scan(&key::prefix(Table::ReservationEnds, net), |key, _| {
            let (until, address) = key::read_time_and_address(key).ok_or_else(|| self.broken("a reservation"))?;
            let is_over = until <= now && over.len() < most;
            over.extend(is_over.then_some(address));
            Ok(is_over)
        })?;
        Ok(over)
    }
}
