//! What survives a crash: a node's leases and its knowledge of the cluster, written together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_engine::address::{IpRange, successor};
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_ownership::local::LocalState;

/// A node's durable store, as far as tasks and containers need it.
pub trait Disk {
    /// An empty one.
    fn new(node: &str, id: &str) -> Self;
    /// The same content on another disk.
    #[must_use]
    fn image(&self) -> Self;
    /// What the node knows of its cluster, read in this boot.
    fn local(&self, boot: &str) -> LocalState;
    /// Writes what the node knows, at once and as a whole.
    fn put(&mut self, local: &LocalState);
    /// A container gets the first free address of the ranges; else, of those that rest, the one that rested longest.
    fn add(&mut self, pod: u16, ranges: &[IpRange], rest: Rest) -> Option<IpAddr>;
    /// A container goes.
    fn del(&mut self, pod: u16, now: u64);
    /// Whether no address of the range is leased or rests.
    fn is_idle(&self, range: IpRange, rest: Rest) -> bool;
    /// What a reboot leaves.
    fn reboot(&mut self);
    /// The clock was set: as the durable store does it when it is opened, what was freed in the future rests from now on.
    fn clock_set(&mut self, now: u64) {
        let _ = now;
    }
    /// The engine's ledger, if this disk has one.
    fn ledger(&self) -> Option<MemoryLedger> {
        None
    }
}

/// How long addresses rest.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// The time by the machine's clock.
    pub now: u64,
    /// Milliseconds.
    pub cooldown: u64,
}

const NETWORK: &str = "net";

/// The engine's ledger, in memory.
#[derive(Debug)]
pub struct LedgerDisk {
    store: MemoryStore,
}

impl LedgerDisk {
    fn book(&self) -> MemoryLedger {
        self.store.ledger(NETWORK)
    }
}

pub(crate) fn key(pod: u16) -> AttachmentKey {
    AttachmentKey { container_id: pod.to_string(), interface: "eth0".into() }
}

pub(crate) fn record(addresses: Vec<IpAddr>) -> AttachmentRecord {
    AttachmentRecord {
        addresses,
        since: 0,
        boot: String::new(),
        netns: String::new(),
        pod: Pod::default(),
        ..AttachmentRecord::default()
    }
}

/// A ledger in memory fails only when it is used wrongly.
pub(crate) fn sound<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the ledger in memory: {error}"),
    }
}

impl Disk for LedgerDisk {
    fn new(node: &str, id: &str) -> Self {
        let mut disk = Self { store: MemoryStore::new() };
        disk.put(&LocalState::new(node, id));
        disk
    }

    fn image(&self) -> Self {
        Self { store: self.store.copy() }
    }

    fn local(&self, boot: &str) -> LocalState {
        let bytes = sound(self.book().cluster_state()).unwrap_or_default();
        sound(LocalState::read(&bytes, boot))
    }

    fn put(&mut self, local: &LocalState) {
        let mut ledger = self.book();
        sound(ledger.put_cluster_state(&local.to_bytes()));
        sound(ledger.commit());
    }

    fn add(&mut self, pod: u16, ranges: &[IpRange], rest: Rest) -> Option<IpAddr> {
        let mut ledger = self.book();
        sound(ledger.end_cooldowns(rest.now.saturating_sub(rest.cooldown), 256));
        let free = ranges.iter().find_map(|range| sound(ledger.next_unused(*range)));
        let address = free.or_else(|| sound(ledger.longest_cooling(ranges)).map(|(address, _)| address))?;
        sound(ledger.attach(&key(pod), &record(vec![address])));
        sound(ledger.commit());
        Some(address)
    }

    fn del(&mut self, pod: u16, now: u64) {
        let mut ledger = self.book();
        sound(ledger.detach(&key(pod), now));
        sound(ledger.commit());
    }

    fn is_idle(&self, range: IpRange, rest: Rest) -> bool {
        let mut ledger = self.book();
        sound(ledger.end_cooldowns(rest.now.saturating_sub(rest.cooldown), usize::MAX));
        sound(ledger.next_used_run(range.first())).is_none_or(|run| run.first() > range.last())
    }

    fn ledger(&self) -> Option<MemoryLedger> {
        Some(self.book())
    }

    fn clock_set(&mut self, now: u64) {
        let mut ledger = self.book();
        for (address, freed) in resting(&self.book()) {
            if freed > now {
                sound(ledger.attach(&key(u16::MAX), &record(vec![address])));
                sound(ledger.detach(&key(u16::MAX), now));
            }
        }
        sound(ledger.commit());
    }

    /// As the durable store does it: resting addresses and the knowledge of the cluster stay, leases go.
    fn reboot(&mut self) {
        let old = self.book();
        let fresh = MemoryStore::new();
        let mut ledger = fresh.ledger(NETWORK);
        for (address, freed) in resting(&old) {
            sound(ledger.attach(&key(0), &record(vec![address])));
            sound(ledger.detach(&key(0), freed));
        }
        sound(ledger.put_cluster_state(&sound(old.cluster_state()).unwrap_or_default()));
        sound(ledger.commit());
        self.store = fresh;
    }
}

/// The addresses that rest, and since when.
fn resting(ledger: &MemoryLedger) -> Vec<(IpAddr, u64)> {
    let mut resting = Vec::new();
    let mut from = Some(IpAddr::from([0, 0, 0, 0]));
    while let Some(run) = from.and_then(|from| sound(ledger.next_used_run(from))) {
        let mut address = Some(run.first());
        while let Some(used) = address.filter(|address| run.contains(*address)) {
            resting.extend(sound(ledger.cooling_since(used)).map(|freed| (used, freed)));
            address = successor(used);
        }
        from = successor(run.last());
    }
    resting
}

/// The least that does: for the model check, which compares and copies millions of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlainDisk {
    local: LocalState,
    leases: BTreeMap<u16, IpAddr>,
}

impl Disk for PlainDisk {
    fn new(node: &str, id: &str) -> Self {
        Self { local: LocalState::new(node, id), leases: BTreeMap::new() }
    }

    fn image(&self) -> Self {
        self.clone()
    }

    fn local(&self, boot: &str) -> LocalState {
        self.local.clone().in_boot(boot)
    }

    fn put(&mut self, local: &LocalState) {
        self.local = local.clone();
    }

    fn add(&mut self, pod: u16, ranges: &[IpRange], _rest: Rest) -> Option<IpAddr> {
        let is_free = |address: &IpAddr| !self.leases.values().any(|leased| leased == address);
        let address = ranges.iter().map(IpRange::first).find(is_free)?;
        self.leases.insert(pod, address);
        Some(address)
    }

    fn del(&mut self, pod: u16, _now: u64) {
        self.leases.remove(&pod);
    }

    fn is_idle(&self, range: IpRange, _rest: Rest) -> bool {
        !self.leases.values().any(|leased| range.contains(*leased))
    }

    fn reboot(&mut self) {
        self.leases.clear();
    }
}
