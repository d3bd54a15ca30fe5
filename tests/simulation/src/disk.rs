//! What survives a crash: a node's leases and its knowledge of the cluster, written together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_ownership::address::{IpRange, successor};
use gingham_ownership::local::LocalState;
use gingham_ownership::shared_store::Reply;

use crate::chooser::Component;
use crate::setup::Setup;

/// A node's durable store, as far as tasks and containers need it.
pub trait Disk {
    fn new(node: &str, id: &str, setup: &Setup) -> Self;
    #[must_use]
    fn image(&self) -> Self;
    /// What the node knows of its cluster, read in this boot.
    fn local(&self, boot: &str) -> LocalState;
    /// Writes what the node knows, at once and as a whole.
    fn put(&mut self, local: &LocalState);
    /// A container gets the first free address of the ranges; else, of those that cool, the one that cooled longest.
    fn add(&mut self, pod: u16, ranges: &[IpRange], clock: Clock) -> Option<IpAddr>;
    fn del(&mut self, pod: u16, now: u64);
    /// Whether no address of the range is leased or cools.
    fn is_idle(&self, range: IpRange, clock: Clock) -> bool;
    /// What a reboot leaves.
    fn reboot(&mut self);
    /// The clock was set: as the durable store does it when it is opened, what was freed in the future cools from now on.
    fn clock_set(&mut self, now: u64) {
        let _ = now;
    }
    /// The component that chooses blocks for nodes with such a disk, if this program has one.
    fn component(setup: &Setup) -> Option<Component> {
        let _ = setup;
        None
    }
    /// A container gets an address that the component chose; `listed` is the whole cluster.
    fn add_by_component(&mut self, pod: u16, local: &LocalState, listed: &Reply, clock: Clock) -> Option<IpAddr> {
        let _ = (pod, local, listed, clock);
        None
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The time by the machine's clock.
    pub now: u64,
    /// Milliseconds.
    pub cooldown: u64,
}

/// Leases and cooling addresses as the engine's ledger has them, and the node's state as the bytes that it is kept in.
#[derive(Debug, Clone)]
pub struct LeaseDisk {
    local: Vec<u8>,
    leases: BTreeMap<u16, IpAddr>,
    /// Since when.
    cooling: BTreeMap<IpAddr, u64>,
}

impl LeaseDisk {
    fn has_cooled(freed: u64, clock: Clock) -> bool {
        freed <= clock.now.saturating_sub(clock.cooldown)
    }

    fn is_used(&self, address: IpAddr, clock: Clock) -> bool {
        self.leases.values().any(|leased| *leased == address)
            || self.cooling.get(&address).is_some_and(|freed| !Self::has_cooled(*freed, clock))
    }

    fn first_free(&self, range: IpRange, clock: Clock) -> Option<IpAddr> {
        let mut addresses = std::iter::successors(Some(range.first()), |address| successor(*address))
            .take_while(|address| range.contains(*address));
        addresses.find(|address| !self.is_used(*address, clock))
    }
}

impl Disk for LeaseDisk {
    fn new(node: &str, id: &str, _setup: &Setup) -> Self {
        let local = LocalState::new(node, id).to_bytes();
        Self { local, leases: BTreeMap::new(), cooling: BTreeMap::new() }
    }

    fn image(&self) -> Self {
        self.clone()
    }

    fn local(&self, boot: &str) -> LocalState {
        match LocalState::read(&self.local, boot) {
            Ok(local) => local,
            Err(error) => panic!("the node's state: {error}"),
        }
    }

    fn put(&mut self, local: &LocalState) {
        self.local = local.to_bytes();
    }

    fn add(&mut self, pod: u16, ranges: &[IpRange], clock: Clock) -> Option<IpAddr> {
        let is_inside = |address: IpAddr| ranges.iter().any(|range| range.contains(address));
        let cooling =
            || self.cooling.iter().filter(|(address, _)| is_inside(**address)).min_by_key(|(_, freed)| **freed);
        let free = ranges.iter().find_map(|range| self.first_free(*range, clock));
        let address = free.or_else(|| cooling().map(|(address, _)| *address))?;
        // Only an ADD that is committed ends the cooling of others, too.
        self.cooling.retain(|_, freed| !Self::has_cooled(*freed, clock));
        self.cooling.remove(&address);
        assert!(self.leases.insert(pod, address).is_none(), "container {pod} has an address already");
        Some(address)
    }

    fn del(&mut self, pod: u16, now: u64) {
        self.cooling.extend(self.leases.remove(&pod).map(|address| (address, now)));
    }

    fn is_idle(&self, range: IpRange, clock: Clock) -> bool {
        let mut cooling = self.cooling.range(range.first()..=range.last());
        !self.leases.values().any(|leased| range.contains(*leased))
            && cooling.all(|(_, freed)| Self::has_cooled(*freed, clock))
    }

    fn clock_set(&mut self, now: u64) {
        self.cooling.values_mut().for_each(|freed| *freed = now.min(*freed));
    }

    fn reboot(&mut self) {
        self.leases.clear();
    }
}

/// The least that does: for the model check, which compares and copies millions of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlainDisk {
    local: LocalState,
    leases: BTreeMap<u16, IpAddr>,
}

impl Disk for PlainDisk {
    fn new(node: &str, id: &str, _setup: &Setup) -> Self {
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

    fn add(&mut self, pod: u16, ranges: &[IpRange], _clock: Clock) -> Option<IpAddr> {
        let is_free = |address: &IpAddr| !self.leases.values().any(|leased| leased == address);
        let address = ranges.iter().map(IpRange::first).find(is_free)?;
        self.leases.insert(pod, address);
        Some(address)
    }

    fn del(&mut self, pod: u16, _now: u64) {
        self.leases.remove(&pod);
    }

    fn is_idle(&self, range: IpRange, _clock: Clock) -> bool {
        !self.leases.values().any(|leased| range.contains(*leased))
    }

    fn reboot(&mut self) {
        self.leases.clear();
    }
}
