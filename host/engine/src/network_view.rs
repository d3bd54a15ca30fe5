//! What a policy sees of its network: the ledger through the host's rules.
//!
//! What the policy writes is kept beside the ledger until its answer is accepted, so that a second try, a refusal or a
//! refused answer leaves the ledger as it was.

mod free;
mod leases;
mod reservations;
mod state;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::address::IpRange;
use crate::attachment::{AttachmentKey, FormerHolder, Pod};
use crate::ledger::{Ledger, LedgerQueries};
use crate::occupied::{Occupant, Occupied};
use crate::pool::Pools;
use crate::ranges::RangeSet;
use crate::runtime::view::ViewError;
use crate::store_error::StoreError;
use reservations::ReservationChanges;
use state::{StateChanges, StateOwner};

pub use state::{STATE_BYTES, VALUE_BYTES};

/// The longest key of a policy's state or of a reservation.
pub const KEY_BYTES: usize = 256;

/// Steps through runs, ranges and cooling addresses that one session may cause.
const STEPS: u64 = 200_000;

/// A ledger seen through a network's pools and rules.
pub struct NetworkView<L> {
    ledger: L,
    pools: Pools,
    excluded: RangeSet,
    occupied: Occupied,
    /// Cooling addresses that count as free all the same.
    free_early: BTreeSet<IpAddr>,
    state: StateChanges,
    reservations: ReservationChanges,
    /// What the requester held last is free to it.
    requester: Option<FormerHolder>,
    /// Milliseconds since the epoch.
    now: u64,
    steps_left: u64,
}

impl<L: LedgerQueries> NetworkView<L> {
    pub fn new(ledger: L, pools: Pools, excluded: RangeSet) -> Result<Self, StoreError> {
        let state = StateChanges::new(StateOwner::Policy, &ledger)?;
        Ok(Self {
            ledger,
            pools,
            excluded,
            occupied: Occupied::default(),
            free_early: BTreeSet::new(),
            state,
            reservations: ReservationChanges::default(),
            requester: None,
            now: 0,
            steps_left: STEPS,
        })
    }

    /// Lets addresses count as taken although this network does not hold them.
    pub fn occupy(&mut self, occupied: Occupied) {
        self.occupied = occupied;
    }

    /// What uses an address that this network does not hold, if that is known.
    pub fn occupant(&self, address: IpAddr) -> Option<&Occupant> {
        self.occupied.by_address.get(&address)
    }

    /// The view at this time: reservations that have ended do not count.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        Self { now, ..self }
    }

    /// The view of a requester: a cooling address is free to its last holder.
    #[must_use]
    pub fn requested_by(self, key: &AttachmentKey, pod: &Pod) -> Self {
        Self { requester: Some(FormerHolder { key: key.clone(), pod: pod.clone() }), ..self }
    }

    /// The view of a shadow, which has a state of its own.
    pub fn of_shadow(self) -> Result<Self, StoreError> {
        let state = StateChanges::new(StateOwner::Shadow, &self.ledger)?;
        Ok(Self { state, ..self })
    }

    /// Cooling addresses that count as free.
    pub fn free_early(&self) -> &BTreeSet<IpAddr> {
        &self.free_early
    }

    /// Whether this address is cooling and the requester held it last.
    pub fn is_own(&self, address: IpAddr) -> Result<bool, StoreError> {
        let Some(requester) = &self.requester else { return Ok(false) };
        let holder = self.ledger.last_holder(address)?;
        Ok(holder.is_some_and(|(holder, _)| holder.is(&requester.key, &requester.pod)))
    }

    /// Lets a cooling address count as free.
    pub fn count_as_free(&mut self, address: IpAddr) {
        self.free_early.insert(address);
    }

    /// Drops what the policy wrote and restores its whole budget: for a second try.
    pub fn start_over(&mut self) -> Result<(), StoreError> {
        self.state = StateChanges::new(self.state.owner, &self.ledger)?;
        self.reservations = ReservationChanges::default();
        self.steps_left = STEPS;
        Ok(())
    }

    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// What of these ranges no rule forbids.
    pub fn permitted(&self, ranges: impl Iterator<Item = IpRange>) -> Vec<IpRange> {
        let usable = ranges.flat_map(|range| self.pools.usable_within(range, &self.excluded));
        usable.flat_map(|range| self.occupied.ranges.without(range)).collect()
    }

    fn charge(&mut self, steps: u64) -> Result<(), ViewError> {
        self.steps_left = self.steps_left.checked_sub(steps.max(1)).ok_or(ViewError::Steps { limit: STEPS })?;
        Ok(())
    }
}

impl<L: Ledger> NetworkView<L> {
    /// Hands the ledger back with the policy's state and reservations in it.
    pub fn into_ledger(self) -> Result<L, StoreError> {
        let (mut ledger, changes) = self.into_parts();
        changes.write(&mut ledger)?;
        Ok(ledger)
    }

    /// Hands the ledger back as it is, and what the policy changed.
    pub fn into_parts(self) -> (L, Changes) {
        (self.ledger, Changes { state: self.state, reservations: self.reservations })
    }

    /// Hands the ledger back with a shadow's state in it, and without its reservations.
    pub fn into_ledger_with_shadow_state(self) -> Result<L, StoreError> {
        let (mut ledger, Changes { state, .. }) = self.into_parts();
        state.write(&mut ledger)?;
        Ok(ledger)
    }

    /// Hands the ledger back without the policy's state and reservations.
    pub fn into_ledger_without_changes(self) -> L {
        self.ledger
    }
}

/// What a policy changed in one call.
pub struct Changes {
    state: StateChanges,
    reservations: ReservationChanges,
}

impl Changes {
    pub fn write<L: Ledger>(&self, ledger: &mut L) -> Result<(), StoreError> {
        self.reservations.write(ledger)?;
        self.state.write(ledger)
    }
}
