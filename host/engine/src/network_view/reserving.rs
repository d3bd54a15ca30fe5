//! What one call of a policy reserved and ended, beside the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::address::IpRange;
use crate::ledger::{Ledger, Reservation};
use crate::store_error::StoreError;

/// The changes of one call.
#[derive(Debug, Default)]
pub(super) struct Reserving {
    by_address: BTreeMap<IpAddr, Reservation>,
    /// Keys whose recorded reservations are ended.
    ended: BTreeSet<String>,
    /// How many more or fewer reservations there are.
    pub(super) more: i64,
}

impl Reserving {
    /// Whether this call reserved the address.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    pub(super) fn get(&self, address: IpAddr) -> Option<&Reservation> {
        self.by_address.get(&address)
    }

    pub(super) fn has_ended(&self, key: &str) -> bool {
        self.ended.contains(key)
    }

    pub(super) fn within(&self, range: IpRange) -> impl Iterator<Item = IpAddr> {
        self.by_address.range(range.first()..=range.last()).map(|(address, _)| *address)
    }

    /// How many reservations there are, where so many are recorded.
    pub(super) fn count(&self, recorded: u64) -> u64 {
        recorded.saturating_add_signed(self.more)
    }

    /// The reservations under a key: the recorded ones whose time is not over, with what this call changed.
    pub(super) fn seen(&self, key: &str, recorded: Vec<Reservation>, now: u64) -> Vec<Reservation> {
        let alive =
            recorded.into_iter().filter(|reservation| reservation.until > now && !self.has(reservation.address));
        let new = self.by_address.values().filter(|reservation| reservation.key == key).cloned();
        let mut seen: Vec<Reservation> = alive.chain(new).collect();
        seen.sort_unstable();
        seen
    }

    pub(super) fn put(&mut self, reservation: Reservation) {
        self.by_address.insert(reservation.address, reservation);
    }

    /// Ends those under a key, of which there are so many.
    pub(super) fn end(&mut self, key: &str, count: usize) {
        self.by_address.retain(|_, reservation| reservation.key != key);
        self.ended.insert(key.to_owned());
        self.more = self.more.saturating_sub_unsigned(count as u64);
    }

    /// Writes the changes down.
    pub(super) fn write<L: Ledger>(&self, ledger: &mut L) -> Result<(), StoreError> {
        for key in &self.ended {
            for reservation in ledger.reservations_of(key)? {
                ledger.end_reservation(reservation.address)?;
            }
        }
        self.by_address.values().try_for_each(|reservation| ledger.reserve(reservation))
    }
}
