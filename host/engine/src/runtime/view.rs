//! What the runtime needs to know of leases and notes. The runtime owns this trait; it never sees a store.

use std::net::IpAddr;

use crate::address::IpRange;
use crate::attachment::{AttachmentKey, Pod};
use crate::store_error::StoreError;

/// What an address is to the host; `leases.address-state` of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressState {
    /// An answer with it would be accepted.
    Free,
    /// An attachment holds it.
    Leased,
    /// It rests after its last use.
    Resting,
    /// The configuration excludes it.
    Excluded,
    /// Network, broadcast or gateway address.
    Reserved,
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

/// Why a note was not taken; `memory.memory-error` of the contract.
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
    /// `leases.used-count`.
    fn used_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
    /// `leases.free-count`.
    fn free_count(&mut self, within: IpRange) -> Result<u64, ViewError>;
    /// `memory.get`.
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, ViewError>;
    /// `memory.set`.
    fn set_note(&mut self, key: &str, value: Vec<u8>) -> Result<Result<(), NoteError>, ViewError>;
    /// `memory.delete`.
    fn delete_note(&mut self, key: &str) -> Result<(), ViewError>;
    /// `memory.keys`.
    fn note_keys(&mut self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, ViewError>;
}
