//! A network with leases, in memory.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use gingham_engine::address::Family;
use gingham_engine::attachment::{Adopted, AttachmentKey, Context, Labels, PodFacts, Problem};
use gingham_engine::ipam::{self, IpamError, PoolRoom};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_engine::pool::Pool;
use gingham_engine::runtime::{LogLine, Policy};
use gingham_engine::settings::Settings;
use gingham_engine::store::StoreError;
use serde_json::Value;

use crate::attachment::Add;
use crate::cluster::Cluster;

/// The name of the network in the store.
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
    pub(crate) facts: PodFacts,
    name: String,
    node_labels: Option<Labels>,
    /// What was adopted before the next call of the adoption hook.
    adopted: Option<Adopted>,
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
            facts: PodFacts::default(),
            name: NAME.to_owned(),
            node_labels: None,
            adopted: None,
            log: Vec::new(),
        }
    }

    /// The network's name in its configuration: `test` otherwise.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// With these labels of the node; otherwise they are unknown.
    #[must_use]
    pub fn node_labels<'s>(mut self, labels: impl IntoIterator<Item = (&'s str, &'s str)>) -> Self {
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.node_labels = Some(labels.collect());
        self
    }

    /// The node reboots: its leases are gone, and their addresses free immediately. The policy's state and the reservations stay.
    ///
    /// # Panics
    /// Never: a store in memory does not fail.
    #[track_caller]
    pub fn reboot(&mut self) {
        let mut ledger = self.store.ledger(NAME);
        for (key, _) in sound(ledger.attachments()) {
            sound(ledger.detach(&key, 0));
        }
        sound(ledger.end_cooldowns(0, usize::MAX));
        sound(ledger.commit());
    }

    /// Leases of the reference IPAM plugin `host-local` are adopted: `(container, address)`, and the address that it gave
    /// last of its range sets. Its adoption hook, if it has one, is called before the next request.
    ///
    /// # Panics
    /// If a text is not an address, or an address is leased.
    #[track_caller]
    pub fn adopt<'s>(
        &mut self,
        leases: impl IntoIterator<Item = (&'s str, &'s str)>,
        last_reserved: impl IntoIterator<Item = (u32, &'s str)>,
    ) {
        let parse = |text: &str| {
            let Ok(address) = text.parse::<IpAddr>() else { panic!("adopt: invalid address {text:?}") };
            address
        };
        let mut ledger = self.store.ledger(NAME);
        let mut adopted = Adopted { now: self.now, ..Adopted::default() };
        for (container, address) in leases {
            let key = AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
            let addresses = vec![parse(address)];
            adopted.addresses.extend(&addresses);
            let record = AttachmentRecord { addresses, since: self.now, ..AttachmentRecord::default() };
            sound(ledger.attach(&key, &record));
        }
        sound(ledger.commit());
        adopted.addresses.sort_unstable();
        adopted.last_reserved = last_reserved.into_iter().map(|(index, last)| (index, parse(last))).collect();
        self.adopted = Some(adopted);
    }

    /// The reservations: key, address, and when each ends.
    ///
    /// # Panics
    /// Never: a store in memory does not fail.
    #[track_caller]
    pub fn reservations(&self) -> Vec<(String, IpAddr, SystemTime)> {
        let ledger = self.store.ledger(NAME);
        let all = Family::ALL.into_iter().flat_map(|family| sound(ledger.reservations_within(family.whole())));
        let until = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        all.map(|reservation| (reservation.key, reservation.address, until(reservation.until))).collect()
    }

    /// What requests see of the network and the node.
    pub(crate) fn context(&self) -> Context {
        Context { network: self.name.clone(), node: self.cluster.me.clone(), node_labels: self.node_labels.clone() }
    }

    /// Calls the adoption hook with the adopted leases, in the transaction of the next request.
    pub(crate) fn call_adoption_hook(
        &self,
        ledger: MemoryLedger,
        log: &mut Vec<LogLine>,
    ) -> Result<MemoryLedger, StoreError> {
        match &self.adopted {
            Some(adopted) if self.policy.has_adoption() => {
                ipam::call_adoption_hook(ledger, (&self.policy, &self.settings, &self.context()), adopted, log)
            }
            _ => Ok(ledger),
        }
    }

    pub(crate) fn adoption_told(&mut self) {
        self.adopted = None;
    }

    /// A container requests addresses, on its interface `eth0`. Nothing happens until the request is finished with one of
    /// the `expect` methods, or [`Add::outcome`].
    pub fn add(&mut self, container: &str) -> Add<'_> {
        // Another seed for each request, the same ones in every run of the test.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Add::new(self, container)
    }

    /// The container ends, with its interface `eth0`. Returns the addresses it held: none if it had none.
    #[track_caller]
    pub fn del(&mut self, container: &str) -> Vec<IpAddr> {
        self.del_interface(container, "eth0")
    }

    /// One interface of the container is removed.
    ///
    /// # Panics
    /// If the policy fails to take notice, where it wants to know of ends.
    #[track_caller]
    pub fn del_interface(&mut self, container: &str, interface: &str) -> Vec<IpAddr> {
        let key = AttachmentKey { container_id: container.to_owned(), interface: interface.to_owned() };
        let mut log = Vec::new();
        let context = self.context();
        let policy = Some((&self.policy, &self.settings, &context));
        let released = ipam::release(self.store.ledger(NAME), &key, self.now, policy, &mut log);
        let failure = log.iter().find(|line| line.message.contains("hook failed")).cloned();
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

    /// The configuration changes; the leases and the policy's state stay.
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
        let addresses = |(key, record): (AttachmentKey, AttachmentRecord)| {
            record.addresses.into_iter().map(move |address| (address, key.container_id.clone()))
        };
        let mut leases: Vec<_> = attachments.into_iter().flat_map(addresses).collect();
        leases.sort();
        leases
    }

    /// A value of the policy's state, as text: none if it is not set, or no text.
    #[track_caller]
    pub fn state(&self, key: &str) -> Option<String> {
        String::from_utf8(self.state_bytes(key)?).ok()
    }

    /// A value of the policy's state.
    #[track_caller]
    pub fn state_bytes(&self, key: &str) -> Option<Vec<u8>> {
        sound(self.store.ledger(NAME).state_value(key))
    }

    /// All keys of the policy's state.
    #[track_caller]
    pub fn state_keys(&self) -> Vec<String> {
        sound(self.store.ledger(NAME).state_keys("", None, usize::MAX))
    }

    /// Sets a value of the policy's state, as an earlier version of it might have left it.
    #[track_caller]
    pub fn set_state(&mut self, key: &str, value: impl AsRef<[u8]>) {
        let mut ledger = self.store.ledger(NAME);
        sound(ledger.put_state(key, Some(value.as_ref())));
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
        let pools = ipam::prepare::<MemoryLedger>(&self.policy, &self.settings, &self.context(), &mut log)
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
