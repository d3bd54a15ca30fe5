//! The ledger: one network's attachments, leases, cooling addresses and policy state, inside one open transaction.
//!
//! Two ledgers exist: the durable one of [`crate::store`] and [`crate::memory_ledger`], for tests of policies. The
//! rules of allocation are not here; a ledger records changes and answers questions.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address::{IpRange, successor};
use crate::attachment::{AttachmentKey, FormerHolder, Pod};
use crate::policy_counters::RequestEnd;
use crate::store_error::StoreError;

/// What is kept of an attachment. Serialised as JSON: unknown fields are ignored and new ones need a default, so that
/// two versions can work on one store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRecord {
    /// Its leases; empty where another plugin hands out the addresses.
    pub addresses: Vec<IpAddr>,
    /// When it came: milliseconds since the epoch.
    pub since: u64,
    /// The kernel's boot it came in (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
    /// Path of its network namespace; empty if unknown.
    #[serde(default)]
    pub netns: String,
    #[serde(default)]
    pub pod: Pod,
    /// The policy that chose the addresses, NAME@sha256:HEX; none in records of versions that did not write this down, and
    /// where no policy chose them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The policy's sentence: why it has these addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it is masqueraded; none in records of versions that did not write this down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<Masquerade>,
    /// Which network namespace `netns` led to; none in records of versions that did not write this down, or where it
    /// could not be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// The link that the addresses are used on: a bridge, with its VLAN. None where it is not known, as in records of
    /// versions that did not write this down: then it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// The identity of a network namespace. A path is not one: after the namespace has gone, the next one gets its path, and
/// often its inode number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    pub device: u64,
    /// The inode of its file. The kernel uses the number again.
    pub inode: u64,
    /// The kernel's cookie (Linux 5.14 or later), never used again in a boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<u64>,
}

impl Sandbox {
    /// Whether the two are certainly different namespaces. In doubt they are the same.
    pub fn differs_from(&self, other: &Self) -> bool {
        let cookies_differ = self.cookie.zip(other.cookie).is_some_and(|(one, other)| one != other);
        cookies_differ || (self.device, self.inode) != (other.device, other.inode)
    }
}

/// Whether what an attachment sends out of its network leaves with the node's address. All that is needed to restore
/// that is recorded here: by then the configuration may be another or gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Masquerade {
    /// Whether it was wanted when the attachment came.
    pub wanted: bool,
    /// The prefixes its addresses lie in: what it sends there keeps its address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<IpNet>,
    /// Addresses that another plugin handed out; none where they are the record's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<IpAddr>,
}

impl AttachmentRecord {
    pub fn masqueraded(&self) -> &[IpAddr] {
        match &self.masquerade {
            Some(Masquerade { wanted: true, delegated, .. }) if self.addresses.is_empty() => delegated,
            Some(Masquerade { wanted: true, .. }) => &self.addresses,
            _ => &[],
        }
    }
}

/// An address kept for a key of a policy, whether it is leased or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reservation {
    pub address: IpAddr,
    /// The policy's key: 1 to 256 bytes without NUL.
    pub key: String,
    /// When it ends: milliseconds since the epoch.
    pub until: u64,
}

/// The latest end of a reservation, that of the year 9999: RFC 3339 has no later dates.
pub const LATEST_END: u64 = 253_402_300_799_999;

/// The most reservations of a network, and of a key.
pub const MOST_RESERVATIONS: u64 = 16_384;
/// See [`MOST_RESERVATIONS`].
pub const MOST_RESERVATIONS_OF_KEY: usize = 8;

/// Questions about one network's state, inside one open transaction.
///
/// Lookups cost O(log n) unless answer otherwise. Every method fails with [`StoreError`] only if the store itself does.
pub trait LedgerQueries {
    fn attachment(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError>;

    fn holder(&self, address: IpAddr) -> Result<Option<AttachmentKey>, StoreError>;

    /// When this cooling address was freed: milliseconds since the epoch. None if it is not cooling.
    fn cooling_since(&self, address: IpAddr) -> Result<Option<u64>, StoreError>;

    /// Who held this cooling address, and when it was freed. None if it is not cooling, and where a version of schema 1
    /// freed it.
    fn last_holder(&self, address: IpAddr) -> Result<Option<(FormerHolder, u64)>, StoreError>;

    /// The leased addresses within the range, in order, at most `most`.
    fn leases_within(&self, within: IpRange, most: usize) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError>;

    /// The addresses that pods of a namespace hold, in order, above `after`, at most `most`.
    fn leases_of_namespace(
        &self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError>;

    /// How many addresses the pods of a namespace hold.
    fn lease_count_of_namespace(&self, namespace: &str) -> Result<u64, StoreError>;

    /// The reservation of an address, whether its time is over or not.
    fn reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError>;

    /// The reservations under a key, in address order.
    fn reservations_of(&self, key: &str) -> Result<Vec<Reservation>, StoreError>;

    /// The reservations within a range, in address order. O(reservations in it).
    fn reservations_within(&self, within: IpRange) -> Result<Vec<Reservation>, StoreError>;

    /// How many reservations. O(1) or O(log n).
    fn reservation_count(&self) -> Result<u64, StoreError>;

    /// The lowest address of the range that is neither leased nor cooling nor reserved.
    fn next_unused(&self, within: IpRange) -> Result<Option<IpAddr>, StoreError>;

    /// The maximal run of addresses in use (leased, cooling or reserved) that holds the lowest used address at or above
    /// `from`, in the family of `from`.
    fn next_used_run(&self, from: IpAddr) -> Result<Option<IpRange>, StoreError>;

    /// The cooling address within the ranges, which are disjoint and in order, that was freed first, and when. Reserved
    /// ones do not count. O(cooling · log ranges) in the worst case.
    fn longest_cooling(&self, within: &[IpRange]) -> Result<Option<(IpAddr, u64)>, StoreError>;

    /// How many addresses within the range are cooling. O(cooling).
    fn cooling_count(&self, within: IpRange) -> Result<u64, StoreError>;

    /// The cooling addresses that were freed at this time or before, the oldest first. O(answer).
    fn freed_until(&self, time: u64) -> Result<Vec<IpAddr>, StoreError>;

    /// All attachments of the network, ordered by container and interface.
    fn attachments(&self) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError>;

    /// How many attachments. O(1) or O(log n).
    fn attachment_count(&self) -> Result<u64, StoreError>;

    fn state_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keys of the policy's state that start with `prefix`, in byte order, strictly above `after`, at most `most`.
    fn state_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError>;

    /// Bytes of the policy state's keys and values. O(1) or O(log n).
    fn state_size(&self) -> Result<u64, StoreError>;

    /// Addresses within these ranges, disjoint and in order, that other networks of the same store hold on the same link,
    /// and the networks' names. Where the link of one of the two is not known, it counts as the same.
    /// O(log n) for each range and network, and for each such address.
    fn held_by_others(&self, within: &[IpRange], link: Option<&str>) -> Result<Vec<(IpAddr, String)>, StoreError>;

    /// The address that was allocated last of each of the policy's pools, by the pool's number: what another allocator goes
    /// on from.
    fn last_allocated(&self) -> Result<Vec<(u32, IpAddr)>, StoreError>;

    /// What is kept for the network's shadow, by key: see [`crate::ipam::ShadowCounters`].
    fn shadow_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Its keys that start with `prefix`, in byte order, strictly above `after`, at most `most`.
    fn shadow_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError>;

    /// What this node knows of the network's cluster: the bytes of a [`LocalState`](gingham_ownership::local::LocalState).
    fn cluster_state(&self) -> Result<Option<Vec<u8>>, StoreError>;
}

/// The attachment as it is recorded, with the key it is recorded under: its own or, if that is unknown, the one of its
/// container without an interface, as an old reference wrote it down.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub fn recorded<L: LedgerQueries + ?Sized>(
    ledger: &L,
    key: &AttachmentKey,
) -> Result<Option<(AttachmentKey, AttachmentRecord)>, StoreError> {
    if let Some(record) = ledger.attachment(key)? {
        return Ok(Some((key.clone(), record)));
    }
    let by_container = AttachmentKey { interface: String::new(), ..key.clone() };
    Ok(ledger.attachment(&by_container)?.map(|record| (by_container, record)))
}

/// The runs of used addresses within a range, clipped to it. Each costs O(log n).
pub fn used_runs<L: LedgerQueries + ?Sized>(
    ledger: &L,
    within: IpRange,
) -> impl Iterator<Item = Result<IpRange, StoreError>> {
    let mut from = Some(within.first());
    std::iter::from_fn(move || {
        let run = match ledger.next_used_run(from.take()?) {
            Ok(run) => run?.intersection(&within)?,
            Err(error) => return Some(Err(error)),
        };
        from = successor(run.last()).filter(|next| within.contains(*next));
        Some(Ok(run))
    })
}

/// How many addresses of a range are leased, cooling or reserved.
pub fn used_within<L: LedgerQueries + ?Sized>(ledger: &L, within: IpRange) -> Result<u128, StoreError> {
    used_runs(ledger, within).map(|run| Ok(run?.len())).sum()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooling {
    pub address: IpAddr,
    /// When it was freed: milliseconds since the epoch.
    pub since: u64,
    /// Who held it, where that is known.
    pub last_holder: Option<FormerHolder>,
}

impl Cooling {
    pub(crate) fn find(cooling: &[Self], address: IpAddr) -> Option<&Self> {
        cooling.iter().find(|cools| cools.address == address)
    }
}

/// One network's state in one open write transaction. Dropping a ledger without [`Ledger::commit`] undoes everything.
///
/// Every method fails with [`StoreError`] only if the store itself does, or refuses what cannot be recorded; the ledger
/// is then only good for dropping.
pub trait Ledger: LedgerQueries {
    /// Frees addresses that were freed at or before `before`: at most `most` of them, the oldest first. Returns how many.
    fn end_cooldowns(&mut self, before: u64, most: usize) -> Result<usize, StoreError>;

    /// Records an attachment with its leases. The caller has checked that the key is new and that its addresses are
    /// not leased (else [`StoreError::Conflict`]); the cooldown of a cooling address ends.
    fn attach(&mut self, key: &AttachmentKey, record: &AttachmentRecord) -> Result<(), StoreError>;

    /// Forgets an attachment; its addresses cool from `now` on. None if it was not recorded.
    fn detach(&mut self, key: &AttachmentKey, now: u64) -> Result<Option<AttachmentRecord>, StoreError>;

    /// Records a reservation. One of the same address is replaced, whatever its key.
    fn reserve(&mut self, reservation: &Reservation) -> Result<(), StoreError>;

    /// Ends the reservation of an address. Says whether there was one.
    fn end_reservation(&mut self, address: IpAddr) -> Result<bool, StoreError>;

    /// Ends reservations whose time was over at `now`: at most `most` of them, the earliest first. Says how many.
    fn end_reservations(&mut self, now: u64, most: usize) -> Result<usize, StoreError>;

    /// Records whether an attachment is masqueraded. Says whether the attachment is recorded.
    fn put_masquerade(&mut self, key: &AttachmentKey, masquerade: &Masquerade) -> Result<bool, StoreError>;

    /// Forgets an attachment whose addresses no container ever had. They are free immediately, except those of `cooling`:
    /// they go on cooling since the time that is with them. None if it was not recorded.
    fn withdraw(&mut self, key: &AttachmentKey, cooling: &[Cooling]) -> Result<Option<AttachmentRecord>, StoreError>;

    /// Sets (`Some`) or deletes (`None`) a value of the policy's state. The caller checks its size.
    fn put_state(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError>;

    /// Sets (`Some`) or deletes (`None`) a value that is kept for the network's shadow.
    fn put_shadow_value(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError>;

    /// Records the address that was allocated last of a pool. It outlives a reboot.
    fn put_last_allocated(&mut self, pool: u32, address: IpAddr) -> Result<(), StoreError>;

    /// Counts how a request ended that a policy, NAME@sha256:HEX, was asked. A ledger that no agent compares policies with
    /// counts nothing.
    fn count_for_policy(&mut self, _policy: &str, _end: RequestEnd, _now: u64) -> Result<(), StoreError> {
        Ok(())
    }

    /// Sets what this node knows of the network's cluster. It outlives a reboot.
    fn put_cluster_state(&mut self, state: &[u8]) -> Result<(), StoreError>;

    fn commit(self) -> Result<(), StoreError>
    where
        Self: Sized;
}
