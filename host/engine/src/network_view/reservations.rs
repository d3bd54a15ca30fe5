//! Interface `reservations`: addresses kept for a key, with what one call of a policy reserved and ended.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{KEY_BYTES, NetworkView};
use crate::address::IpRange;
use crate::ledger::{LATEST_END, Ledger, LedgerQueries, MOST_RESERVATIONS, MOST_RESERVATIONS_OF_KEY, Reservation};
use crate::runtime::view::{ReservationError, ReservationView, ViewError};
use crate::store_error::StoreError;

/// The changes of one call, beside the ledger.
#[derive(Debug, Default)]
pub(super) struct ReservationChanges {
    by_address: BTreeMap<IpAddr, Reservation>,
    /// The addresses of each key. One call may reserve 16,384 of them and look for a key 100,000 times, all under the lock.
    of_key: BTreeMap<String, BTreeSet<IpAddr>>,
    ended: BTreeSet<String>,
    /// How many more or fewer reservations there are.
    more: i64,
}

impl ReservationChanges {
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address)
    }

    pub(super) fn within(&self, range: IpRange) -> impl Iterator<Item = IpAddr> {
        self.by_address.range(range.first()..=range.last()).map(|(address, _)| *address)
    }

    /// The reservations under a key: the recorded ones whose time is not over, with what this call changed.
    fn merged(&self, key: &str, recorded: Vec<Reservation>, now: u64) -> Vec<Reservation> {
        let alive =
            recorded.into_iter().filter(|reservation| reservation.until > now && !self.has(reservation.address));
        let new = self.of_key.get(key).into_iter().flatten().filter_map(|address| self.by_address.get(address));
        let mut merged: Vec<Reservation> = alive.chain(new.cloned()).collect();
        merged.sort_unstable();
        merged
    }

    fn insert(&mut self, reservation: Reservation) {
        self.of_key.entry(reservation.key.clone()).or_default().insert(reservation.address);
        self.by_address.insert(reservation.address, reservation);
    }

    fn end(&mut self, key: &str) {
        for address in self.of_key.remove(key).into_iter().flatten() {
            self.by_address.remove(&address);
        }
        self.ended.insert(key.to_owned());
    }

    pub(super) fn write<L: Ledger>(&self, ledger: &mut L) -> Result<(), StoreError> {
        for key in &self.ended {
            for reservation in ledger.reservations_of(key)? {
                ledger.end_reservation(reservation.address)?;
            }
        }
        self.by_address.values().try_for_each(|reservation| ledger.reserve(reservation))
    }
}

impl<L: LedgerQueries> NetworkView<L> {
    /// The reservation of an address as it is recorded, if its time is not over.
    pub(super) fn recorded_reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        Ok(self.ledger.reservation(address)?.filter(|reservation| reservation.until > self.now))
    }

    /// The same with what this call changed.
    pub(super) fn current_reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        if let Some(reservation) = self.reservations.by_address.get(&address) {
            return Ok(Some(reservation.clone()));
        }
        let recorded = self.recorded_reservation(address)?;
        Ok(recorded.filter(|reservation| !self.reservations.ended.contains(&reservation.key)))
    }

    /// Whether one more reservation under this key fits.
    fn has_room_for(&mut self, key: &str) -> Result<bool, ViewError> {
        let of_key = self.reservations_of(key)?.len();
        let all = self.ledger.reservation_count()?.saturating_add_signed(self.reservations.more);
        Ok(of_key < MOST_RESERVATIONS_OF_KEY && all < MOST_RESERVATIONS)
    }
}

impl<L: LedgerQueries> ReservationView for NetworkView<L> {
    fn reservations_of(&mut self, key: &str) -> Result<Vec<Reservation>, ViewError> {
        self.charge(1)?;
        let has_ended = self.reservations.ended.contains(key);
        let recorded = if has_ended { Vec::new() } else { self.ledger.reservations_of(key)? };
        Ok(self.reservations.merged(key, recorded, self.now))
    }

    fn reservation(&mut self, address: IpAddr) -> Result<Option<Reservation>, ViewError> {
        self.charge(1)?;
        Ok(self.current_reservation(address)?)
    }

    fn reserve(&mut self, key: &str, address: IpAddr, millis: u64) -> Result<Result<(), ReservationError>, ViewError> {
        if key.is_empty() || key.len() > KEY_BYTES || key.contains('\0') {
            return Ok(Err(ReservationError::BadKey));
        }
        let is_usable = self.pools.locate(address).is_some() && !self.pools.is_unusable(address);
        if !is_usable || self.excluded.holding(address).is_some() {
            return Ok(Err(ReservationError::NotInPool));
        }
        match self.reservation(address)? {
            Some(other) if other.key != key => return Ok(Err(ReservationError::Held)),
            Some(_) => {}
            None if !self.has_room_for(key)? => return Ok(Err(ReservationError::Full)),
            None => self.reservations.more += 1,
        }
        let until = self.now.saturating_add(millis).min(LATEST_END);
        self.reservations.insert(Reservation { address, key: key.to_owned(), until });
        Ok(Ok(()))
    }

    fn end_reservations(&mut self, key: &str) -> Result<(), ViewError> {
        let ended = self.reservations_of(key)?.len();
        let changes = &mut self.reservations;
        changes.end(key);
        changes.more = changes.more.saturating_sub_unsigned(ended as u64);
        Ok(())
    }
}
