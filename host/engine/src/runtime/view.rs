//! What a policy may ask about its network. The runtime owns these traits; it never sees a store.

use std::any::Any;
use std::net::IpAddr;

use crate::address::IpRange;
use crate::attachment::{AttachmentKey, AwaitedFacts, FormerHolder, Pod};
use crate::ledger::Reservation;
use crate::store_error::StoreError;

/// What an address is to the host; `leases.address-state` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// An answer with it would be accepted.
    Free,
    Leased,
    /// It cools after its last use, and the requester is not its last holder.
    Cooling,
    Reserved,
    Excluded,
    Draining,
    /// Network, broadcast or gateway address, or an address of the node.
    Unusable,
    /// In no pool.
    Outside,
}

/// A lease as a policy sees it.
#[derive(Debug, Clone)]
pub struct LeaseInfo {
    pub address: IpAddr,
    pub key: AttachmentKey,
    /// Milliseconds since the epoch.
    pub since: u64,
    pub pod: Pod,
    /// The policy's sentence, from the answer the lease came with.
    pub reason: Option<String>,
}

/// Who held a cooling address, as a policy sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerHolderInfo {
    pub holder: FormerHolder,
    /// Milliseconds since the epoch.
    pub freed_at: u64,
}

/// Items of one answer to a policy.
const PAGE: usize = 256;

pub(super) fn page(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(PAGE).min(PAGE)
}

/// Why a question of the policy found no answer. Each ends the invocation.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    #[error("it used more than {limit} host calls")]
    HostCalls { limit: u64 },
    /// Questions whose answers take too long to find.
    #[error("its host calls took more than {limit} steps")]
    Steps { limit: u64 },
    /// The host may be about to learn it.
    #[error("it reads a fact that is not known yet")]
    FactAwaited { fact: AwaitedFacts },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an address was not reserved; `reservations.reservation-error` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReservationError {
    /// The network or the key has as many as it may have.
    Full,
    /// Reserved under another key.
    Held,
    /// Empty, too long, or with a NUL.
    BadKey,
    /// No answer could ever have the address.
    NotInPool,
}

/// Why a value was not written; `state.state-error` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateError {
    Full,
    /// The key is empty or too long.
    BadKey,
    TooLong,
}

/// All that a policy may see of its network. The host's functions know no more of it than this, so that the program has
/// them once and not for each kind of ledger.
pub trait PolicyView: Any + LeaseView + ReservationView + StateView {}

impl<V: Any + LeaseView + ReservationView + StateView> PolicyView for V {}

/// Interface `leases` of the contract, which documents each question.
pub trait LeaseView {
    fn next_free(&mut self, within: IpRange, after: Option<IpAddr>) -> Result<Option<IpAddr>, ViewError>;
    fn address_state(&mut self, address: IpAddr) -> Result<AddressState, ViewError>;
    fn holder(&mut self, address: IpAddr) -> Result<Option<LeaseInfo>, ViewError>;
    fn last_holder(&mut self, address: IpAddr) -> Result<Option<FormerHolderInfo>, ViewError>;
    fn list(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<LeaseInfo>, ViewError>;
    fn of_namespace(
        &mut self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<LeaseInfo>, ViewError>;
    fn count_of_namespace(&mut self, namespace: &str) -> Result<u64, ViewError>;
    fn free_ranges(&mut self, within: IpRange, after: Option<IpAddr>, most: usize) -> Result<Vec<IpRange>, ViewError>;
    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
}

/// Interface `reservations`.
pub trait ReservationView {
    fn reservations_of(&mut self, key: &str) -> Result<Vec<Reservation>, ViewError>;
    fn reservation(&mut self, address: IpAddr) -> Result<Option<Reservation>, ViewError>;
    fn reserve(&mut self, key: &str, address: IpAddr, millis: u64) -> Result<Result<(), ReservationError>, ViewError>;
    fn end_reservations(&mut self, key: &str) -> Result<(), ViewError>;
}

/// Interface `state`.
pub trait StateView {
    fn state_value(&mut self, key: &str) -> Result<Option<Vec<u8>>, ViewError>;
    fn set_state(&mut self, key: &str, value: Vec<u8>) -> Result<Result<(), StateError>, ViewError>;
    fn delete_state(&mut self, key: &str) -> Result<(), ViewError>;
    fn state_keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, ViewError>;
}
