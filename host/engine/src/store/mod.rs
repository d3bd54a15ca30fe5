//! The durable store: a directory with one LMDB file, in which a committed lease survives any kill.
//!
//! # What is in the directory
//!
//! - `leases.mdb`, the store, mode 0600. It is written into place whole and renamed, so it is never half a store.
//! - `leases.boot`, which boot it is of (see `boot_mark.rs`).
//! - `leases.mdb.damaged-2026-11-28T17-40-00Z`: damaged stores that were put aside, the latest eight.
//! - `leases.new`, now and then: a store in the making (see `succession.rs`). Left behind by a kill, it is removed.
//!
//! # Tables
//!
//! One tree; a key starts with its table's number (one byte). Numbers are big-endian, so that keys sort like what they
//! stand for. `net` is the network's number (four bytes); an address is its family (4 or 6, one byte) and its octets.
//!
//! | table         | key                        | value                                                            |
//! |---------------|----------------------------|------------------------------------------------------------------|
//! | 0 meta        | 0                          | JSON: schema version, boot id, time of creation                  |
//! |               | 1                          | the next network's number (u32)                                  |
//! | 1 networks    | name                       | number (u32), attachments, bytes of state, reservations (u64)    |
//! | 2 attachments | net, container NUL ifname  | JSON: [`AttachmentRecord`](crate::ledger::AttachmentRecord)      |
//! | 3 leases      | net, address               | container NUL ifname                                             |
//! | 4 runs        | net, first address         | last address; see below                                          |
//! | 5 cooling     | net, address               | when it was freed (u64, milliseconds since the epoch), and JSON: |
//! |               |                            | [`FormerHolder`](crate::attachment::FormerHolder)                |
//! | 6 its order   | net, time freed, address   | nothing                                                          |
//! | 7 state       | net, key                   | the policy's bytes                                               |
//! | 8 cluster     | net                        | JSON: [`LocalState`](gingham_ownership::local::LocalState)        |
//! | 9 adoptions   | net                        | JSON: [`Adoption`](crate::reference_leases::Adoption)            |
//! | 10 reserved   | net, address               | when that ends (u64), the policy's key                           |
//! | 11 its keys   | net, key NUL, address      | nothing                                                          |
//! | 12 its ends   | net, end, address          | nothing                                                          |
//! | 13 namespaces | net, namespace NUL         | how many addresses its pods hold (u64)                           |
//! |               | net, namespace NUL address | nothing                                                          |
//! | 14 last       | net, pool (u32)            | the address that was allocated last of the policy's pool         |
//! | 15 shadow     | net, key                   | JSON: [`ShadowCounters`](crate::ipam::ShadowCounters); the       |
//! |               |                            | shadow policy's bytes under "=" and its key, their size          |
//! | 16 facts      | 0, 1, 2 or 3; name         | JSON of [`crate::facts`]: what the agent does, the node, a       |
//! |               |                            | namespace, a pod (`NAMESPACE/NAME`); of all networks             |
//! | 17 refusals   | pod NUL reason NUL network | JSON: [`PodRefusal`](crate::pod_refusal::PodRefusal)             |
//! | 18 policies   | net, NAME@sha256:HEX       | JSON: [`PolicyCounters`](crate::policy_counters::PolicyCounters) |
//!
//! Runs are the maximal runs of addresses that are leased, cooling or reserved: no two of them touch. So the next unused
//! address is one step of a cursor, however many leases there are.
//!
//! # Time
//!
//! A clock that is set back must not keep addresses cooling forever: when a network is opened for writing, the cooldown of
//! addresses freed more than a minute in the future starts again.

mod boot_mark;
mod damaged_files;
mod directory;
mod environment;
mod error;
mod facts;
pub(crate) mod key;
mod ledgers;
mod pages;
mod policy_counters;
mod private;
mod rebuild;
mod refusals;
mod snapshot;
mod succession;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use directory::Directory;
use environment::{Access, Environment};
use snapshot::Snapshot;

use crate::file_lock::Kind;

pub use crate::store_error::StoreError;
pub use facts::Kept;
pub use ledgers::{ReadLedger, StoreLedger};
pub use rebuild::{Attachments, Rebuilt};

/// The store, open for writing and locked: every other process waits until it is closed. One at a time in a thread, or the
/// thread waits for itself.
#[derive(Debug)]
pub struct Store {
    environment: Environment,
    now: u64,
    /// What came of opening it that an operator wants to know.
    events: Vec<Event>,
}

/// What opening a store for writing did beside opening it. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Event {
    /// The store was last used in another boot, and containers do not outlive one.
    #[error(
        "the lease store {path} is from boot {boot:?}, not from this one ({now:?}): dropped {} of containers, with {}",
        counted(*attachments, "attachment"), counted(*addresses, "address")
    )]
    EarlierBoot { path: PathBuf, boot: String, now: String, attachments: u64, addresses: u64 },
    /// The store was damaged, and of an earlier boot.
    #[error(
        "the lease store {path} of an earlier boot is damaged: {what}; a new one was created, because no container \
         outlives a boot{}", kept.as_ref().map(|kept| format!(", and the damaged one is kept as {}", kept.display())).unwrap_or_default()
    )]
    PutAside { path: PathBuf, what: String, kept: Option<PathBuf> },
}

/// "1 address", "2 addresses".
fn counted(count: u64, noun: &str) -> String {
    let ending = match (count, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {noun}{ending}")
}

impl Store {
    /// Opens the store in a directory, and makes both if need be. Waits while others have it open.
    ///
    /// `boot` is the kernel's boot id: if it is not the one the store was last used in, the attachments of earlier
    /// boots are forgotten and their addresses free immediately, except for those a node holds for itself. `now` is in
    /// milliseconds since the epoch.
    ///
    /// # Errors
    /// Any [`StoreError`]; the store is then as it was.
    pub fn open(directory: &Path, boot: &str, now: u64) -> Result<Self, StoreError> {
        let directory = Arc::new(Directory::create(directory)?);
        let mut events = Vec::new();
        let environment = succession::open_of_boot(&directory, boot, now, &mut events)?;
        Ok(Self { environment, now, events })
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Makes the directory for a store, for those who keep a file of their own beside it, or closes it to other users.
    pub fn make_directory(directory: &Path) -> Result<(), StoreError> {
        private::make(directory)
    }

    /// Whether a directory could be the data directory, as far as its mode and what is in it say. Changes nothing.
    pub fn require_directory(directory: &Path) -> Result<(), StoreError> {
        private::require_closable(directory)
    }

    /// Opens the store for reading, beside other readers; waits for writers. None if there is no store. Makes and
    /// changes nothing, and works on a read-only file system.
    pub fn open_read_only(directory: &Path) -> Result<Option<StoreReader>, StoreError> {
        let Some(directory) = Directory::find(directory, Kind::Shared)? else { return Ok(None) };
        let Some(environment) = Environment::open(&Arc::new(directory), Access::Read)? else { return Ok(None) };
        environment.meta()?;
        Ok(Some(StoreReader { environment: Arc::new(environment) }))
    }

    /// Reads the whole store and returns [`StoreError::Damaged`] if anything in it is. No store is sound, unless leases of
    /// this boot were in one.
    pub fn examine(directory: &Path, boot: &str) -> Result<(), StoreError> {
        let Some(directory) = Directory::find(directory, Kind::Shared)? else { return Ok(()) };
        rebuild::examine(&Arc::new(directory), boot)
    }

    /// Puts a damaged store aside, whatever boot it is of, and a new one in its place that has these attachments and
    /// nothing else. A sound one stays.
    ///
    /// # Errors
    /// Any [`StoreError`]; the damaged store is then still in its place.
    pub fn rebuild(directory: &Path, boot: &str, now: u64, attachments: &Attachments) -> Result<Rebuilt, StoreError> {
        let directory = Arc::new(Directory::create(directory)?);
        rebuild::rebuild(&directory, boot, now, attachments)
    }

    /// The networks that were ever used in this boot or left something from earlier ones, by name.
    pub fn networks(&self) -> Result<Vec<String>, StoreError> {
        networks(&self.environment)
    }

    /// One network's ledger: the store's write transaction.
    ///
    /// # Errors
    /// If the name is longer than 255 bytes or the store cannot be read.
    pub fn into_ledger(self, network: &str) -> Result<StoreLedger, StoreError> {
        StoreLedger::open(self.environment, network, self.now)
    }
}

/// The store, open for reading. Writers wait until it and all its ledgers are dropped.
#[derive(Debug)]
pub struct StoreReader {
    environment: Arc<Environment>,
}

impl StoreReader {
    /// The networks that were ever used, by name.
    pub fn networks(&self) -> Result<Vec<String>, StoreError> {
        networks(&self.environment)
    }

    /// The boot id of the last writer. Attachments are of that boot: after a reboot, until the first ADD or DEL, they
    /// are gone although they are still recorded.
    pub fn boot(&self) -> Result<String, StoreError> {
        self.environment.meta().map(|meta| meta.boot)
    }

    /// One network's ledger; empty if the network was never used.
    pub fn ledger(&self, network: &str) -> Result<ReadLedger, StoreError> {
        ReadLedger::open(&self.environment, network)
    }
}

fn networks(environment: &Environment) -> Result<Vec<String>, StoreError> {
    let txn = environment.read()?;
    let networks = Snapshot::new(environment, &txn).networks()?;
    Ok(networks.into_iter().map(|(name, _)| name).collect())
}
