//! A network with leases, in memory.

use std::net::IpAddr;
use std::time::Duration;

use gingham_engine::attachment::{AttachmentKey, Problem};
use gingham_engine::ipam::{self, IpamError, PoolRoom};
use gingham_engine::ledger::{Ledger, LedgerQueries};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::pool::Pool;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::StoreError;
use serde_json::Value;

use crate::attachment::Add;
use crate::cluster::Cluster;

/// The name of the network in requests.
pub(crate) const NAME: &str = "test";

/// 2026-01-01 00:00 UTC, when every network begins.
const BEGINNING: u64 = 1_767_225_600_000;

/// A network: a policy, its configuration, and the leases it has given. Time stands still unless
/// [advanced](Self::advance).
pub struct Network {
    pub(crate) policy: Policy,
    pub(crate) ipam: Value,
    pub(crate) settings: Settings,
    pub(crate) store: MemoryStore,
    pub(crate) now: u64,
    pub(crate) seed: u64,
    pub(crate) cluster: Cluster,
    log: Vec<LogLine>,
}

impl Network {
    /// A network without leases. [`crate::network`] is shorter where the policy is the crate under test.
    ///
    /// # Panics
    /// If a host key of the configuration is wrong.
    #[track_caller]
    pub fn of(policy: &Policy, ipam: Value) -> Self {
        let settings = settings(&ipam);
        let store = MemoryStore::new();
        Self {
            policy: policy.clone(),
            ipam,
            settings,
            store,
            now: BEGINNING,
            seed: 0,
            cluster: Cluster::default(),
            log: Vec::new(),
        }
    }

    /// A container asks for addresses, on its interface `eth0`. Nothing happens until the wish is finished with one of
    /// the `expect` methods, or [`Add::outcome`].
    pub fn add(&mut self, container: &str) -> Add<'_> {
        // Another seed for each request, the same ones in every run of the test.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Add::new(self, NAME, container)
    }

    /// The container goes away, with its interface `eth0`. Returns the addresses it held: none if it had none.
    #[track_caller]
    pub fn del(&mut self, container: &str) -> Vec<IpAddr> {
        self.del_interface(container, "eth0")
    }

    /// One interface of the container goes away.
    ///
    /// # Panics
    /// If the policy fails to take notice, where it wants to know of ends.
    #[track_caller]
    pub fn del_interface(&mut self, container: &str, interface: &str) -> Vec<IpAddr> {
        let key = AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() };
        let mut log = Vec::new();
        let told = Some((&self.policy, &self.settings));
        let released = ipam::release(self.store.ledger(NAME), &key, self.now, told, &mut log);
        let failure = log.iter().find(|line| line.message.contains("the policy was not told")).cloned();
        self.note_log(log);
        if let Some(failure) = failure {
            panic!("DEL {container} {interface}: {}", failure.message);
        }
        sound(released).map_or_else(Vec::new, |record| record.addresses)
    }

    /// Time passes.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    }

    /// The clock is set: milliseconds since 1970-01-01 UTC.
    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// What the clock shows: milliseconds since 1970-01-01 UTC.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The seeds of the requests from now on follow from this number. [`Add::seed`] sets that of one request.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// The configuration changes; the leases and the policy's memory stay.
    ///
    /// # Panics
    /// If a host key of the configuration is wrong.
    #[track_caller]
    pub fn reconfigure(&mut self, ipam: Value) {
        self.settings = settings(&ipam);
        self.ipam = ipam;
    }

    /// The leases in the order of their addresses, with the container of each.
    #[track_caller]
    pub fn leases(&self) -> Vec<(IpAddr, String)> {
        let attachments = sound(self.store.ledger(NAME).attachments());
        let addresses = |(key, record): (AttachmentKey, gingham_engine::ledger::AttachmentRecord)| {
            record.addresses.into_iter().map(move |address| (address, key.container_id.clone()))
        };
        let mut leases: Vec<_> = attachments.into_iter().flat_map(addresses).collect();
        leases.sort();
        leases
    }

    /// A note of the policy, as text: none if it is not set, or no text.
    #[track_caller]
    pub fn memory(&self, key: &str) -> Option<String> {
        String::from_utf8(self.memory_bytes(key)?).ok()
    }

    /// A note of the policy.
    #[track_caller]
    pub fn memory_bytes(&self, key: &str) -> Option<Vec<u8>> {
        sound(self.store.ledger(NAME).note(key))
    }

    /// The keys of all notes of the policy.
    #[track_caller]
    pub fn memory_keys(&self) -> Vec<String> {
        sound(self.store.ledger(NAME).note_keys("", None, usize::MAX))
    }

    /// Puts a note into the policy's memory, as an earlier version of it, or nobody, might have left it there.
    #[track_caller]
    pub fn set_memory(&mut self, key: &str, value: impl AsRef<[u8]>) {
        let mut ledger = self.store.ledger(NAME);
        sound(ledger.put_note(key, Some(value.as_ref())));
        sound(ledger.commit());
    }

    /// The pools that the policy declares for the configuration.
    ///
    /// # Panics
    /// If it finds the configuration wrong.
    #[track_caller]
    pub fn pools(&mut self) -> Vec<Pool> {
        match self.check_config() {
            Ok(pools) => pools,
            Err(error) => panic!("the pools of {}: {error}", self.ipam),
        }
    }

    /// What the policy finds wrong in the configuration, each as `key: message`; nothing if it is right.
    ///
    /// # Panics
    /// If the policy crashes over it, or declares pools that cannot be.
    #[track_caller]
    pub fn problems(&mut self) -> Vec<String> {
        match self.check_config() {
            Ok(_) => Vec::new(),
            Err(IpamError::Problems { problems, .. }) => problems.iter().map(shown).collect(),
            Err(error) => panic!("the problems of {}: {error}", self.ipam),
        }
    }

    /// How full the pools are; those of a cluster policy as far as this node holds blocks of them.
    ///
    /// # Panics
    /// If the policy finds the configuration wrong.
    #[track_caller]
    pub fn room(&self) -> Vec<PoolRoom> {
        let mut log = Vec::new();
        let room = self.holdings(&mut log).and_then(|holdings| self.room_in(holdings.as_ref(), &mut log));
        match room {
            Ok(room) => room,
            Err(error) => panic!("the room of {}: {error}", self.ipam),
        }
    }

    /// Everything the policy and the engine have logged so far.
    pub fn log(&self) -> &[LogLine] {
        &self.log
    }

    pub(crate) fn note_log(&mut self, mut log: Vec<LogLine>) {
        self.log.append(&mut log);
    }

    fn check_config(&mut self) -> Result<Vec<Pool>, IpamError> {
        let mut log = Vec::new();
        let pools = ipam::prepare::<MemoryLedger>(&self.policy, &self.settings, &mut log)
            .map(|prepared| prepared.pools().iter().cloned().collect());
        self.note_log(log);
        pools
    }
}

fn shown(problem: &Problem) -> String {
    match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{key}: {}", problem.message),
    }
}

#[track_caller]
fn settings(ipam: &Value) -> Settings {
    let Some(object) = ipam.as_object() else { panic!("the configuration is the object under `ipam`, and not {ipam}") };
    match Settings::parse(object) {
        Ok(settings) => settings,
        Err(error) => panic!("{error}"),
    }
}

/// A store in memory fails only where a test does what no host does.
#[track_caller]
fn sound<T>(result: Result<T, StoreError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
