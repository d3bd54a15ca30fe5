//! What a policy sees of its network: the ledger through the host's rules.
//!
//! The policy's own notes are written to a slip beside the ledger, so that a second try, a refusal or a refused answer
//! leaves the ledger as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;

use crate::address::{IpRange, successor};
use crate::ledger::{Ledger, LedgerQueries};
use crate::occupied::{Occupant, Occupied};
use crate::pool::Pools;
use crate::ranges::RangeSet;
use crate::runtime::view::{AddressState, LeaseInfo, LeaseView, NoteError, ViewError};
use crate::store_error::StoreError;

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
                let reserved = self.pools.reserved_within(range).iter().copied().map(IpRange::single);
                RangeSet::new(reserved.collect()).without(range)
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
        self.pools.is_reserved(address).then_some(address)
    }

    fn first_free(&mut self, mut part: IpRange) -> Result<Option<IpAddr>, ViewError> {
        loop {
            self.charge(1)?;
            let unused = self.ledger.next_unused(part)?;
            let woken = self.awake.range(part.first()..=part.last()).next().copied();
            let Some(candidate) = unused.into_iter().chain(woken).min() else { return Ok(None) };
            let leased = woken == Some(candidate) && self.ledger.holder(candidate)?.is_some();
            let until = if leased { Some(candidate) } else { self.forbidden_until(candidate) };
            let Some(until) = until else { return Ok(Some(candidate)) };
            let Some(rest) = successor(until).and_then(|next| IpRange::new(next, part.last())) else { return Ok(None) };
            part = rest;
        }
    }

    /// Addresses of the range in use: leased or resting.
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
        self.pools.ranges_touching(within).filter_map(|range| range.intersection(&within)).collect()
    }
}

impl<L: Ledger> NetworkView<L> {
    /// Hands the ledger back with the policy's notes in it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn into_ledger(mut self) -> Result<L, StoreError> {
        for (key, value) in self.slip {
            self.ledger.put_note(&key, value.as_deref())?;
        }
        Ok(self.ledger)
    }

    /// Hands the ledger back without the policy's notes.
    pub fn into_ledger_without_notes(self) -> L {
        self.ledger
    }
}

fn saturate(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl<L: LedgerQueries> LeaseView for NetworkView<L> {
    fn next_free(&mut self, within: IpRange, after: Option<IpAddr>) -> Result<Option<IpAddr>, ViewError> {
        let above = match after {
            Some(after) if after >= within.first() => successor(after),
            _ => Some(within.first()),
        };
        let Some(wanted) = above.and_then(|first| IpRange::new(first, within.last())) else { return Ok(None) };
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
        if self.pools.is_reserved(address) {
            return Ok(AddressState::Reserved);
        }
        match self.occupant(address) {
            Some(Occupant::Node) => return Ok(AddressState::Reserved),
            Some(Occupant::Network(_)) => return Ok(AddressState::Leased),
            None => {}
        }
        if self.ledger.holder(address)?.is_some() {
            return Ok(AddressState::Leased);
        }
        if !self.awake.contains(&address) && self.ledger.resting_since(address)?.is_some() {
            return Ok(AddressState::Resting);
        }
        Ok(AddressState::Free)
    }

    fn holder(&mut self, address: IpAddr) -> Result<Option<LeaseInfo>, ViewError> {
        self.charge(1)?;
        let Some(key) = self.ledger.holder(address)? else { return Ok(None) };
        let Some(record) = self.ledger.attachment(&key)? else { return Ok(None) };
        Ok(Some(LeaseInfo { address, key, since: record.since, pod: record.pod }))
    }

    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let in_use = self.in_use(within)?;
        let resting = self.resting(within)?;
        Ok(saturate(in_use).saturating_sub(resting))
    }

    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError> {
        let mut free = 0_u128;
        for part in self.permitted(self.parts(within).into_iter()) {
            let in_use = self.in_use(part)?;
            free = free.saturating_add(part.len().saturating_sub(in_use));
            let woken: Vec<IpAddr> = self.awake.range(part.first()..=part.last()).copied().collect();
            for address in woken {
                free = free.saturating_add(u128::from(self.ledger.resting_since(address)?.is_some()));
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
