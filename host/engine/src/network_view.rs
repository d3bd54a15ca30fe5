//! What a policy sees of its network: the ledger through the host's rules.
//!
//! The policy's own notes are written to a slip beside the ledger, so that a second try, a refusal or a refused answer
//! leaves the ledger as it was.

mod reserving;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;

use crate::address::{IpRange, predecessor, successor};
use crate::attachment::{AttachmentKey, FormerHolder, Pod};
use crate::ledger::{Ledger, LedgerQueries, MOST_RESERVATIONS, MOST_RESERVATIONS_OF_KEY, Reservation};
use crate::occupied::{Occupant, Occupied};
use crate::pool::Pools;
use crate::ranges::RangeSet;
use crate::runtime::view::{
    AddressState, FormerHolderInfo, LeaseInfo, LeaseView, NoteError, ReservationError, ViewError,
};
use crate::store_error::StoreError;
use reserving::Reserving;

/// Bytes of all notes of a network: keys and values.
pub const NOTES_BYTES: u64 = 1 << 20;
/// Bytes of a note's key and value, and keys per listing.
const KEY_BYTES: usize = 256;
const VALUE_BYTES: usize = 64 << 10;
const KEYS_LISTED: usize = 1000;

/// Steps through runs, ranges and resting addresses that one session may cause.
const STEPS: u64 = 200_000;

/// A ledger seen through a network's pools and rules.
pub struct NetworkView<L> {
    ledger: L,
    pools: Pools,
    excluded: RangeSet,
    occupied: Occupied,
    /// Resting addresses that count as free all the same.
    awake: BTreeSet<IpAddr>,
    slip: BTreeMap<String, Option<Vec<u8>>>,
    notes_size: u64,
    reserving: Reserving,
    /// Who asks: what they held last is free to them.
    requester: Option<FormerHolder>,
    /// Milliseconds since the epoch.
    now: u64,
    steps_left: u64,
}

impl<L: LedgerQueries> NetworkView<L> {
    /// The view at the start of a request.
    ///
    /// # Errors
    /// If the store fails.
    pub fn new(ledger: L, pools: Pools, excluded: RangeSet) -> Result<Self, StoreError> {
        let notes_size = ledger.notes_size()?;
        Ok(Self {
            ledger,
            pools,
            excluded,
            occupied: Occupied::default(),
            awake: BTreeSet::new(),
            slip: BTreeMap::new(),
            notes_size,
            reserving: Reserving::default(),
            requester: None,
            now: 0,
            steps_left: STEPS,
        })
    }

    /// Lets addresses count as taken although this network does not hold them.
    pub fn occupy(&mut self, occupied: Occupied) {
        self.occupied = occupied;
    }

    /// Who has an address that this network does not hold, if that is known.
    pub fn occupant(&self, address: IpAddr) -> Option<&Occupant> {
        self.occupied.by_address.get(&address)
    }

    /// The view at this time: reservations that have ended are gone.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        Self { now, ..self }
    }

    /// The view of who asks: an address that rests is free to them if they held it last.
    #[must_use]
    pub fn asked_by(self, key: &AttachmentKey, pod: &Pod) -> Self {
        Self { requester: Some(FormerHolder { key: key.clone(), pod: pod.clone() }), ..self }
    }

    /// Whether this address rests, and who asks held it last.
    ///
    /// # Errors
    /// If the store fails.
    pub fn is_own(&self, address: IpAddr) -> Result<bool, StoreError> {
        let Some(requester) = &self.requester else { return Ok(false) };
        let holder = self.ledger.last_holder(address)?;
        Ok(holder.is_some_and(|(holder, _)| holder.is(&requester.key, &requester.pod)))
    }

    /// Lets a resting address count as free.
    pub fn wake(&mut self, address: IpAddr) {
        self.awake.insert(address);
    }

    /// Forgets what the policy wrote and gives it a whole budget again: for a second try.
    ///
    /// # Errors
    /// If the store fails.
    pub fn start_over(&mut self) -> Result<(), StoreError> {
        self.slip.clear();
        self.reserving = Reserving::default();
        self.notes_size = self.ledger.notes_size()?;
        self.steps_left = STEPS;
        Ok(())
    }

    /// The pools the view was made with.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// The ledger behind it.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// What of these ranges no rule forbids.
    pub fn permitted(&self, ranges: impl Iterator<Item = IpRange>) -> Vec<IpRange> {
        ranges
            .flat_map(|range| self.excluded.without(range))
            .flat_map(|range| self.occupied.ranges.without(range))
            .flat_map(|range| {
                let unusable = self.pools.unusable_within(range).iter().copied().map(IpRange::single);
                RangeSet::new(unusable.collect()).without(range)
            })
            .collect()
    }

    fn charge(&mut self, steps: u64) -> Result<(), ViewError> {
        self.steps_left = self.steps_left.checked_sub(steps.max(1)).ok_or(ViewError::Budget)?;
        Ok(())
    }

    /// The end of the forbidden stretch this address lies in, if it does.
    fn forbidden_until(&self, address: IpAddr) -> Option<IpAddr> {
        if let Some(range) = self.excluded.holding(address) {
            return Some(range.last());
        }
        if let Some(range) = self.occupied.ranges.holding(address) {
            return Some(range.last());
        }
        let is_taken = self.pools.is_unusable(address) || self.reserving.has(address);
        is_taken.then_some(address)
    }

    /// The reservation of an address as it is recorded, if its time is not over.
    fn recorded_reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        Ok(self.ledger.reservation(address)?.filter(|reservation| reservation.until > self.now))
    }

    fn first_free(&mut self, mut part: IpRange) -> Result<Option<IpAddr>, ViewError> {
        loop {
            self.charge(1)?;
            let unused = self.ledger.next_unused(part)?;
            let woken = self.awake.range(part.first()..=part.last()).next().copied();
            let Some(candidate) = unused.into_iter().chain(woken).min() else { return Ok(None) };
            let taken = woken == Some(candidate) && self.is_taken(candidate)?;
            let until = if taken { Some(candidate) } else { self.forbidden_until(candidate) };
            let Some(until) = until else { return Ok(Some(candidate)) };
            let Some(rest) = successor(until).and_then(|next| IpRange::new(next, part.last())) else { return Ok(None) };
            part = rest;
        }
    }

    /// The same with what this call changed.
    fn current_reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        if let Some(reservation) = self.reserving.get(address) {
            return Ok(Some(reservation.clone()));
        }
        Ok(self.recorded_reservation(address)?.filter(|reservation| !self.reserving.has_ended(&reservation.key)))
    }

    /// Whether a woken address is somebody's all the same.
    fn is_taken(&self, address: IpAddr) -> Result<bool, StoreError> {
        Ok(self.ledger.holder(address)?.is_some() || self.recorded_reservation(address)?.is_some())
    }

    fn lease(&self, address: IpAddr, key: AttachmentKey) -> Result<Option<LeaseInfo>, StoreError> {
        let Some(record) = self.ledger.attachment(&key)? else { return Ok(None) };
        Ok(Some(LeaseInfo { address, key, since: record.since, pod: record.pod, reason: record.reason }))
    }

    /// The free runs of a part, which lies in one range of the pools.
    fn free_runs(&mut self, part: IpRange, most: usize, runs: &mut Vec<IpRange>) -> Result<(), ViewError> {
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
        if used == Some(first) || self.awake.contains(&first) {
            // A woken one: it lies in a run of used addresses.
            return Ok(first);
        }
        let open = IpRange::new(first, within.last()).unwrap_or(IpRange::single(first));
        let excluded = self.excluded.common(open).next().map(|range| range.first());
        let occupied = self.occupied.ranges.common(open).next().map(|range| range.first());
        let unusable = self.pools.unusable_within(open).first().copied();
        let reserving = self.reserving.within(open).next();
        let stop = [used, excluded, occupied, unusable, reserving]
            .into_iter()
            .flatten()
            .filter(|at| within.contains(*at))
            .min();
        Ok(stop.and_then(predecessor).unwrap_or(within.last()))
    }

    /// Addresses of the range that are in use because they are reserved, and for no other reason.
    ///
    /// # Errors
    /// [`ViewError`]
    pub fn reserved_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let reserved = self.ledger.reservations_within(within)?;
        self.charge(reserved.len() as u64)?;
        let mut count = 0;
        for Reservation { address, .. } in reserved {
            let is_used = self.ledger.holder(address)?.is_some() || self.ledger.resting_since(address)?.is_some();
            count += u64::from(!is_used);
        }
        Ok(count)
    }

    /// Addresses of the range in use: leased, resting or reserved.
    fn in_use(&mut self, within: IpRange) -> Result<u128, ViewError> {
        let mut count = 0_u128;
        let mut from = Some(within.first());
        while let Some(start) = from {
            self.charge(1)?;
            let Some(run) = self.ledger.next_used_run(start)? else { break };
            let Some(common) = run.intersection(&within) else { break };
            count = count.saturating_add(common.len());
            from = successor(run.last()).filter(|next| within.contains(*next));
        }
        Ok(count)
    }

    fn resting(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let count = self.ledger.resting_count(within)?;
        self.charge(count)?;
        Ok(count)
    }

    fn parts(&self, within: IpRange) -> Vec<IpRange> {
        self.pools.open_ranges_touching(within).filter_map(|range| range.intersection(&within)).collect()
    }
}

impl<L: Ledger> NetworkView<L> {
    /// Hands the ledger back with the policy's notes and reservations in it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn into_ledger(mut self) -> Result<L, StoreError> {
        self.reserving.write(&mut self.ledger)?;
        for (key, value) in self.slip {
            self.ledger.put_note(&key, value.as_deref())?;
        }
        Ok(self.ledger)
    }

    /// Hands the ledger back without the policy's notes and reservations.
    pub fn into_ledger_without_notes(self) -> L {
        self.ledger
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
        for part in self.parts(wanted) {
            if let Some(free) = self.first_free(part)? {
                return Ok(Some(free));
            }
        }
        Ok(None)
    }

    fn state(&mut self, address: IpAddr) -> Result<AddressState, ViewError> {
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
        if !self.reserving.has(address) && self.current_reservation(address)?.is_some() {
            return Ok(AddressState::Reserved);
        }
        let rests = !self.awake.contains(&address) && self.ledger.resting_since(address)?.is_some();
        if rests && !self.is_own(address)? {
            return Ok(AddressState::Resting);
        }
        Ok(AddressState::Free)
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
        for part in self.parts(wanted) {
            self.free_runs(part, most, &mut runs)?;
        }
        Ok(runs)
    }

    fn reservations_of(&mut self, key: &str) -> Result<Vec<Reservation>, ViewError> {
        self.charge(1)?;
        let recorded = if self.reserving.has_ended(key) { Vec::new() } else { self.ledger.reservations_of(key)? };
        Ok(self.reserving.seen(key, recorded, self.now))
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
        let until = self.now.saturating_add(millis);
        match self.reservation(address)? {
            Some(other) if other.key != key => return Ok(Err(ReservationError::Held)),
            Some(_) => {}
            None => {
                let of_key = self.reservations_of(key)?.len();
                let all = self.reserving.count(self.ledger.reservation_count()?);
                if of_key >= MOST_RESERVATIONS_OF_KEY || all >= MOST_RESERVATIONS {
                    return Ok(Err(ReservationError::Full));
                }
                self.reserving.more += 1;
            }
        }
        self.reserving.put(Reservation { address, key: key.to_owned(), until });
        Ok(Ok(()))
    }

    fn end_reservations(&mut self, key: &str) -> Result<(), ViewError> {
        let ended = self.reservations_of(key)?.len();
        self.reserving.end(key, ended);
        Ok(())
    }

    fn holder(&mut self, address: IpAddr) -> Result<Option<LeaseInfo>, ViewError> {
        self.charge(1)?;
        let Some(key) = self.ledger.holder(address)? else { return Ok(None) };
        Ok(self.lease(address, key)?)
    }

    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let in_use = self.in_use(within)?;
        let others = self.resting(within)?.saturating_add(self.reserved_count(within)?);
        Ok(saturate(in_use).saturating_sub(others))
    }

    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let mut free = 0_u128;
        for part in self.permitted(self.parts(within).into_iter()) {
            let in_use = self.in_use(part)?;
            free = free.saturating_add(part.len().saturating_sub(in_use));
            let woken: Vec<IpAddr> = self.awake.range(part.first()..=part.last()).copied().collect();
            for address in woken {
                let is_free = self.ledger.resting_since(address)?.is_some() && !self.is_taken(address)?;
                free = free.saturating_add(u128::from(is_free));
            }
        }
        Ok(saturate(free))
    }

    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, ViewError> {
        self.charge(1)?;
        match self.slip.get(key) {
            Some(value) => Ok(value.clone()),
            None if key.is_empty() || key.len() > KEY_BYTES => Ok(None),
            None => Ok(self.ledger.note(key)?),
        }
    }

    fn set_note(&mut self, key: &str, value: Vec<u8>) -> Result<Result<(), NoteError>, ViewError> {
        if key.is_empty() || key.len() > KEY_BYTES {
            return Ok(Err(NoteError::BadKey));
        }
        if value.len() > VALUE_BYTES {
            return Ok(Err(NoteError::TooLong));
        }
        let before = self.note(key)?.map_or(0, |old| key.len() + old.len());
        let size = (self.notes_size + (key.len() + value.len()) as u64).saturating_sub(before as u64);
        if size > NOTES_BYTES {
            return Ok(Err(NoteError::Full));
        }
        self.notes_size = size;
        self.slip.insert(key.to_owned(), Some(value));
        Ok(Ok(()))
    }

    fn delete_note(&mut self, key: &str) -> Result<(), ViewError> {
        if let Some(old) = self.note(key)? {
            self.notes_size = self.notes_size.saturating_sub((key.len() + old.len()) as u64);
            self.slip.insert(key.to_owned(), None);
        }
        Ok(())
    }

    fn note_keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, ViewError> {
        if prefix.len() > KEY_BYTES {
            return Ok(Vec::new());
        }
        let after = after.map(|after| &after[..after.floor_char_boundary(KEY_BYTES)]);
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let of_prefix = self.slip.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix));
        let (mut written, mut forgotten, mut steps) = (BTreeSet::new(), BTreeSet::new(), 0);
        for (key, value) in of_prefix {
            steps += 1;
            let kind = if value.is_some() { &mut written } else { &mut forgotten };
            kind.insert(key.clone());
        }
        written.retain(|key| after.is_none_or(|after| key.as_str() > after));
        // As many more as the slip hides.
        let listed = self.ledger.note_keys(prefix, after, KEYS_LISTED + forgotten.len())?;
        self.charge(steps + listed.len() as u64)?;
        let mut keys = written;
        keys.extend(listed.into_iter().filter(|key| !forgotten.contains(key)));
        Ok(keys.into_iter().take(KEYS_LISTED).collect())
    }
}
