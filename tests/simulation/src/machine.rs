//! A machine: its disk, its processes, its containers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use gingham_ownership::beat::Beat;
use gingham_ownership::join::Identity;
use gingham_ownership::local::LocalState;
use gingham_ownership::takeover::Sighting;
use ipnet::IpNet;

use crate::disk::{Disk, Rest};
use crate::process::Process;
use crate::setup::Setup;

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine<D> {
    /// The name of its node.
    pub node: String,
    hardware: String,
    address: IpAddr,
    /// Counts its boots.
    pub boot: u32,
    /// Whether it has power.
    pub is_on: bool,
    /// What its clock shows, from the true time: milliseconds.
    pub from_true: i64,
    /// Survives everything but [`crate::decision::Decision::Restore`].
    pub disk: D,
    /// An image of its disk.
    pub image: Option<D>,
    /// What the disk says of the cluster: after each step the same.
    pub local: LocalState,
    /// Its processes, each in a place of its own.
    pub processes: Vec<Option<Process>>,
    /// The containers that run, with the address each uses: the truth, whatever is recorded.
    pub pods: BTreeMap<u16, IpAddr>,
    /// How nodes looked when they were last seen from here.
    pub sightings: BTreeMap<usize, Sighting>,
    /// The companion's.
    pub beat: Beat,
}

impl<D: Disk> Machine<D> {
    /// A machine that was never in a cluster.
    pub fn new(number: usize, setup: &Setup) -> Self {
        let node = setup.nodes[number].clone();
        let disk = D::new(&node, &format!("disk-{number}"), setup);
        let address = Ipv4Addr::from(0xc000_0200 + u32::try_from(number).unwrap_or(0)).into();
        let mut machine = Self {
            local: disk.local(""),
            node,
            hardware: format!("machine-{number}"),
            address,
            boot: 1,
            is_on: true,
            from_true: 0,
            disk,
            image: None,
            processes: vec![None; setup.processes],
            pods: BTreeMap::new(),
            sightings: BTreeMap::new(),
            beat: Beat::new(),
        };
        machine.reload();
        machine
    }

    /// The boot id of the kernel.
    pub fn boot_id(&self) -> String {
        format!("{}-{}", self.hardware, self.boot)
    }

    /// What the node says of itself.
    pub fn identity(&self) -> Identity {
        Identity { machine: self.hardware.clone(), boot: self.boot_id(), address: Some(self.address), mac: None }
    }

    /// The time by its clock.
    pub fn now(&self, true_now: u64) -> u64 {
        true_now.saturating_add_signed(self.from_true)
    }

    /// How long addresses rest, now.
    pub fn rest(&self, true_now: u64, setup: &Setup) -> Rest {
        Rest { now: self.now(true_now), cooldown: setup.cooldown }
    }

    /// Reads the disk.
    pub fn reload(&mut self) {
        self.local = self.disk.local(&self.boot_id());
    }

    /// Writes the disk, if there is something to write.
    pub fn save(&mut self, local: LocalState) {
        if local != self.local {
            self.disk.put(&local);
            self.local = local;
        }
    }

    /// The power goes. The calls of its processes are still on their way.
    pub fn power_off(&mut self) -> Vec<Process> {
        self.is_on = false;
        self.pods.clear();
        self.sightings.clear();
        self.beat = Beat::new();
        self.processes.iter_mut().filter_map(Option::take).collect()
    }

    /// The power comes back.
    pub fn power_on(&mut self) {
        self.is_on = true;
        self.boot += 1;
        self.disk.reboot();
        self.reload();
    }

    /// The held blocks without a lease and without a resting address.
    pub fn idle(&self, rest: Rest) -> Vec<IpNet> {
        self.local.held().filter(|block| self.disk.is_idle((*block).into(), rest)).collect()
    }
}
