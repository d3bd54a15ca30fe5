//! What the runtime needs to know of leases and notes. The runtime owns this trait; it never sees a store.

use std::net::IpAddr;

use crate::address::IpRange;
use crate::attachment::{AttachmentKey, FormerHolder, Pod};
use crate::ledger::Reservation;
use crate::store_error::StoreError;

/// What an address is to the host; `leases.address-state` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// An answer with it would be accepted.
    Free,
    /// An attachment holds it.
    Leased,
    /// It rests after its last use, and whoever asks did not have it.
    Resting,
    /// A reservation keeps it for somebody.
    Reserved,
    /// The configuration excludes it.
    Excluded,
    /// Its range gives out nothing new.
    Draining,
    /// Network, broadcast or gateway address.
    Unusable,
    /// In no pool.
    Outside,
}

/// A lease as a policy sees it.
#[derive(Debug, Clone)]
pub struct LeaseInfo {
    /// The leased address.
    pub address: IpAddr,
    /// Who holds it.
    pub key: AttachmentKey,
    /// Since when: milliseconds since the epoch.
    pub since: u64,
    /// Its pod.
    pub pod: Pod,
    /// The sentence of the answer it came with.
    pub reason: Option<String>,
}

/// Who held a resting address, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerHolderInfo {
    /// Who.
    pub holder: FormerHolder,
    /// When it was freed: milliseconds since the epoch.
    pub freed_at: u64,
}

/// Items of one answer to a policy.
const PAGE: usize = 256;

/// How many items a policy gets that asks for so many.
pub(super) fn page(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(PAGE).min(PAGE)
}

/// Why a question of the policy found no answer. Both end the invocation.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The policy asked for more than an invocation may cost.
    #[error("it used up its budget of host calls")]
    Budget,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an address was not reserved; `reservations.reservation-error` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationError {
    /// The network or the key has as many as it may have.
    Full,
    /// It is reserved under another key.
    Held,
    /// The key is empty, too long, or holds a NUL.
    BadKey,
    /// No answer could ever have it.
    NotInPool,
}

/// Why a note was not taken; `state.state-error` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteError {
    /// The network's notes are full.
    Full,
    /// The key is empty or too long.
    BadKey,
    /// The value is too long.
    TooLong,
}

/// Leases and notes of one network, as the policy may see them. See the contract for what each question means; each
/// fails with [`ViewError`].
#[allow(clippy::missing_errors_doc)] // Said once, above.
pub trait LeaseView {
    /// `leases.next-free`.
    fn next_free(&mut self, within: IpRange, after: Option<IpAddr>) -> Result<Option<IpAddr>, ViewError>;
    /// `leases.state`.
    fn state(&mut self, address: IpAddr) -> Result<AddressState, ViewError>;
    /// `leases.holder`.
    fn holder(&mut self, address: IpAddr) -> Result<Option<LeaseInfo>, ViewError>;
    /// `leases.last-holder`.
    fn last_holder(&mut self, address: IpAddr) -> Result<Option<FormerHolderInfo>, ViewError>;
    /// `leases.list`.
    fn list(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<LeaseInfo>, ViewError>;
    /// `leases.of-namespace`.
    fn of_namespace(
        &mut self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<LeaseInfo>, ViewError>;
    /// `leases.count-of-namespace`.
    fn count_of_namespace(&mut self, namespace: &str) -> Result<u64, ViewError>;
    /// `leases.free-ranges`.
    fn free_ranges(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<IpRange>, ViewError>;
    /// `reservations.find`.
    fn reservations_of(&mut self, key: &str) -> Result<Vec<Reservation>, ViewError>;
    /// `reservations.on-address`.
    fn reservation(&mut self, address: IpAddr) -> Result<Option<Reservation>, ViewError>;
    /// `reservations.reserve`.
    fn reserve(&mut self, key: &str, address: IpAddr, millis: u64) -> Result<Result<(), ReservationError>, ViewError>;
    /// `reservations.end`.
    fn end_reservations(&mut self, key: &str) -> Result<(), ViewError>;
    /// `leases.used-count`.
    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
    /// `leases.free-count`.
    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
    /// `state.get`.
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, ViewError>;
    /// `state.set`.
    fn set_note(&mut self, key: &str, value: Vec<u8>) -> Result<Result<(), NoteError>, ViewError>;
    /// `state.delete`.
    fn delete_note(&mut self, key: &str) -> Result<(), ViewError>;
    /// `state.keys`.
    fn note_keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, ViewError>;
}
