//! The engine's ledger as a node's disk.

use std::net::IpAddr;

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, Ledger, LedgerQueries};
use gingham_engine::memory_ledger::{MemoryLedger, MemoryStore};
use gingham_ownership::address::{IpRange, successor};
use gingham_ownership::local::LocalState;
use gingham_ownership::shared_store::Reply;
use gingham_simulation::chooser::Component;
use gingham_simulation::disk::{Clock, Disk};
use gingham_simulation::setup::Setup;

use crate::weave_split::WeaveSplit;

const NETWORK: &str = "net";

/// The engine's ledger, in memory, and the component that allocates from it where the case wants one.
#[derive(Debug)]
pub struct LedgerDisk {
    store: MemoryStore,
    component: Option<&'static WeaveSplit>,
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
    fn new(node: &str, id: &str, setup: &Setup) -> Self {
        let component = setup.component_allocates.then(|| WeaveSplit::configured(setup.grid, setup.cooldown));
        let mut disk = Self { store: MemoryStore::new(), component };
        disk.put(&LocalState::new(node, id));
        disk
    }

    fn image(&self) -> Self {
        Self { store: self.store.copy(), component: self.component }
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

    fn add(&mut self, pod: u16, ranges: &[IpRange], clock: Clock) -> Option<IpAddr> {
        let mut ledger = self.book();
        sound(ledger.end_cooldowns(clock.now.saturating_sub(clock.cooldown), 256));
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

    fn is_idle(&self, range: IpRange, clock: Clock) -> bool {
        let mut ledger = self.book();
        sound(ledger.end_cooldowns(clock.now.saturating_sub(clock.cooldown), usize::MAX));
        sound(ledger.next_used_run(range.first())).is_none_or(|run| run.first() > range.last())
    }

    fn component(setup: &Setup) -> Option<Component> {
        Some(Component(WeaveSplit::configured(setup.grid, setup.cooldown)))
    }

    fn add_by_component(&mut self, pod: u16, local: &LocalState, listed: &Reply, clock: Clock) -> Option<IpAddr> {
        self.component?.allocate(&self.book(), pod, local, listed, clock)
    }

    fn clock_set(&mut self, now: u64) {
        let mut ledger = self.book();
        for (address, freed) in cooling(&self.book()) {
            if freed > now {
                sound(ledger.attach(&key(u16::MAX), &record(vec![address])));
                sound(ledger.detach(&key(u16::MAX), now));
            }
        }
        sound(ledger.commit());
    }

    /// As the durable store does it: cooling addresses and the knowledge of the cluster stay, leases go.
    fn reboot(&mut self) {
        let old = self.book();
        let fresh = MemoryStore::new();
        let mut ledger = fresh.ledger(NETWORK);
        for (address, freed) in cooling(&old) {
            sound(ledger.attach(&key(0), &record(vec![address])));
            sound(ledger.detach(&key(0), freed));
        }
        sound(ledger.put_cluster_state(&sound(old.cluster_state()).unwrap_or_default()));
        sound(ledger.commit());
        self.store = fresh;
    }
}

/// The addresses that cool, and since when.
fn cooling(ledger: &MemoryLedger) -> Vec<(IpAddr, u64)> {
    let mut cooling = Vec::new();
    let mut from = Some(IpAddr::from([0, 0, 0, 0]));
    while let Some(run) = from.and_then(|from| sound(ledger.next_used_run(from))) {
        let mut address = Some(run.first());
        while let Some(used) = address.filter(|address| run.contains(*address)) {
            cooling.extend(sound(ledger.cooling_since(used)).map(|freed| (used, freed)));
            address = successor(used);
        }
        from = successor(run.last());
    }
    cooling
}
