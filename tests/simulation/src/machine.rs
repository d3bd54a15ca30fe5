//! A machine: its disk, its processes, its containers.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use gingham_ownership::beat::Beat;
use gingham_ownership::join::Identity;
use gingham_ownership::local::{CONFIRMED_FOR, LocalState};
use gingham_ownership::rules::Rules;
use gingham_ownership::takeover::Observation;
use ipnet::IpNet;

use crate::disk::{Clock, Disk};
use crate::process::Process;
use crate::setup::Setup;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Machine<D> {
    pub node: String,
    hardware: String,
    address: IpAddr,
    pub boot: u32,
    pub is_on: bool,
    /// Off without losing power.
    pub is_asleep: bool,
    /// Milliseconds, as far as it matters: what passes while it sleeps.
    pub uptime: u64,
    rules: Rules,
    /// What its clock shows, from the true time: milliseconds.
    pub from_true: i64,
    /// Survives everything but [`crate::decision::Decision::Restore`].
    pub disk: D,
    pub image: Option<D>,
    /// What the disk says of the cluster: after each step the same.
    pub local: LocalState,
    /// Its processes, each in a place of its own.
    pub processes: Vec<Option<Process>>,
    /// The containers that run, with the address each uses: the truth, whatever is recorded.
    pub pods: BTreeMap<u16, IpAddr>,
    /// The last observations of other nodes.
    pub observations: BTreeMap<usize, Observation>,
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
            is_asleep: false,
            uptime: 0,
            rules: setup.rules,
            from_true: 0,
            disk,
            image: None,
            processes: vec![None; setup.processes],
            pods: BTreeMap::new(),
            observations: BTreeMap::new(),
            beat: Beat::new(),
        };
        machine.reload();
        machine
    }

    pub fn boot_id(&self) -> String {
        format!("{}-{}", self.hardware, self.boot)
    }

    pub fn identity(&self) -> Identity {
        Identity {
            machine: self.hardware.clone(),
            boot: self.boot_id(),
            address: Some(self.address),
            mac: None,
            node_uid: None,
        }
    }

    pub fn now(&self, true_now: u64) -> u64 {
        true_now.saturating_add_signed(self.from_true)
    }

    pub fn clock(&self, true_now: u64, setup: &Setup) -> Clock {
        Clock { now: self.now(true_now), cooldown: setup.cooldown }
    }

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
        self.observations.clear();
        self.beat = Beat::new();
        self.processes.iter_mut().filter_map(Option::take).collect()
    }

    /// What it may hand out addresses of.
    pub fn serves(&self) -> impl Iterator<Item = IpNet> {
        let is_confirmed = self.local.is_confirmed(self.uptime, self.rules);
        self.local.held().filter(move |_| is_confirmed)
    }

    /// Whether it holds blocks and must not hand out addresses of them.
    pub fn is_out_of_touch(&self) -> bool {
        self.serves().next().is_none() && self.local.held().next().is_some()
    }

    pub fn wake(&mut self) {
        (self.is_on, self.is_asleep) = (true, false);
        self.uptime += CONFIRMED_FOR;
        self.reload();
    }

    pub fn power_on(&mut self) {
        (self.is_on, self.is_asleep) = (true, false);
        self.boot += 1;
        self.disk.reboot();
        self.reload();
    }

    /// The held blocks without a lease and without a cooling address.
    pub fn idle(&self, clock: Clock) -> Vec<IpNet> {
        self.local.held().filter(|block| self.disk.is_idle((*block).into(), clock)).collect()
    }
}
