//! A cluster, and what each decision does to it.

mod store;
mod tasks;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use gingham_ownership::address::{IpRange, predecessor, successor};
use gingham_ownership::in_memory_store::InMemoryStore;
use gingham_ownership::local::MembershipState;
use gingham_ownership::shared_store::{Call, Reply, StoreFault};

use crate::decision::{Decision, What};
use crate::disk::Disk;
use crate::machine::Machine;
use crate::process::{Leg, Process};
use crate::report::Counts;
use crate::setup::Setup;
use crate::truth::{Truth, Violation};

/// 2026-01-01 00:00 UTC, when every world begins.
const BEGINNING: u64 = 1_767_225_600_000;

/// More stray calls than this are lost.
const MOST_STRAYS: usize = 8;

#[derive(Debug, Clone)]
pub struct World<D> {
    pub(crate) setup: Rc<Setup>,
    pub records: InMemoryStore,
    /// What is true, seen from above.
    pub truth: Truth,
    pub(crate) is_up: bool,
    now: u64,
    pub machines: Vec<Machine<D>>,
    /// Calls whose sender no longer waits.
    pub(crate) strays: Vec<Call>,
    /// How often each Lease was renewed, by node.
    leases: BTreeMap<String, u64>,
    /// Records whose last update was answered as written and wrote nothing.
    unwritten: BTreeSet<String>,
    pub counts: Counts,
    /// The first thing that must never be.
    violation: Option<Violation>,
}

impl<D: PartialEq> PartialEq for World<D> {
    fn eq(&self, other: &Self) -> bool {
        (self.is_up, self.now) == (other.is_up, other.now)
            && self.records == other.records
            && self.machines == other.machines
            && self.strays == other.strays
            && (&self.leases, &self.unwritten) == (&other.leases, &other.unwritten)
    }
}

impl<D: Hash> Hash for World<D> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.is_up, self.now).hash(state);
        self.records.hash(state);
        self.machines.hash(state);
        self.strays.hash(state);
        (&self.leases, &self.unwritten).hash(state);
    }
}

type Done = Result<(), Violation>;

impl<D: Disk> World<D> {
    /// A cluster of machines that have not joined yet.
    pub fn new(setup: Setup) -> Self {
        let leases = setup.nodes.iter().filter(|_| setup.store.leases).map(|node| (node.clone(), 0)).collect();
        let machines = (0..setup.nodes.len()).map(|number| Machine::new(number, &setup)).collect();
        Self {
            setup: Rc::new(setup),
            records: InMemoryStore::new(),
            truth: Truth::default(),
            is_up: true,
            now: BEGINNING,
            machines,
            strays: Vec::new(),
            leases,
            unwritten: BTreeSet::new(),
            counts: Counts::default(),
            violation: None,
        }
    }

    /// Does what was decided, and checks everything it may have touched.
    ///
    /// # Errors
    /// What must never be, and is.
    pub fn apply(&mut self, decision: Decision) -> Done {
        self.counts.steps += 1;
        self.decide(decision);
        self.violation.clone().map_or(Ok(()), Err)
    }

    /// Notes a violation, and goes on: what comes of it is of interest, too.
    fn note(&mut self, done: Done) {
        let counts = |violation: &Violation| violation.is_damage || !self.setup.damage_only;
        if let Some(violation) = done.err().filter(counts) {
            self.violation.get_or_insert(violation);
        }
    }

    fn decide(&mut self, decision: Decision) {
        match decision {
            Decision::Add { machine, pod } => self.add(machine, pod),
            Decision::Del { machine, pod } => self.del(machine, pod),
            Decision::Start { machine, process, task } => self.start(machine, process, task),
            Decision::Carry { machine, process } => self.carry(machine, process),
            Decision::Return { machine, process } => self.give_back(machine, process),
            Decision::Lose { machine, process, stray } => self.lose(machine, process, stray),
            Decision::Repeat { machine, process } => self.repeat(machine, process),
            Decision::Kill { machine, process, stray } => self.kill(machine, process, stray),
            Decision::Arrive { stray } if self.is_up && stray < self.strays.len() => {
                let call = self.strays.remove(stray);
                self.arrive_late(&call);
            }
            Decision::Vanish { stray } if stray < self.strays.len() => {
                self.strays.remove(stray);
            }
            Decision::Arrive { .. } | Decision::Vanish { .. } => {}
            Decision::Off { machine } => self.power_off(machine),
            Decision::On { machine } => self.turn_on(machine),
            Decision::Sleep { machine } => self.sleep(machine),
            Decision::Image { machine } => {
                if let Some(machine) = self.machines.get_mut(machine) {
                    machine.image = Some(machine.disk.image());
                }
            }
            Decision::Restore { machine } => self.restore(machine),
            Decision::Clock { machine, from_true } => {
                if let Some(machine) = self.machines.get_mut(machine) {
                    machine.from_true = from_true;
                    machine.disk.clock_set(machine.now(self.now));
                }
            }
            Decision::Pass { millis } => self.now = self.now.saturating_add(millis),
            Decision::Store { up } => self.is_up = up,
            Decision::Label { record } => self.label(record),
            Decision::LoseLease { machine } => {
                if let Some(machine) = self.machines.get(machine) {
                    self.leases.remove(&machine.node);
                }
            }
        }
    }

    fn leg(&self, machine: usize, process: usize) -> Option<&Leg> {
        self.machines.get(machine)?.processes.get(process)?.as_ref().map(|process| &process.leg)
    }

    fn leave_on_its_way(&mut self, call: Call) {
        // A read changes nothing, and its reply has no receiver.
        let is_late = self.setup.store.late_writes && !matches!(call, Call::Get { .. } | Call::List { .. });
        if is_late && self.strays.len() < MOST_STRAYS {
            self.strays.push(call);
        }
    }

    fn add(&mut self, number: usize, pod: u16) {
        let range = self.setup.grid.range();
        let Some(machine) = self.machines.get_mut(number) else { return };
        if !machine.is_on || machine.pods.contains_key(&pod) {
            return;
        }
        machine.reload();
        if machine.serves().next().is_none() {
            self.counts.adds_without_room += 1;
            return;
        }
        let clock = machine.clock(self.now, &self.setup);
        let inner = |block: ipnet::IpNet| {
            let block = IpRange::from(block);
            let first = if block.first() == range.network() { successor(block.first())? } else { block.first() };
            let last = if block.last() == range.broadcast() { predecessor(block.last())? } else { block.last() };
            IpRange::new(first, last)
        };
        let cooled: Vec<IpRange> = machine.local.held_cooled(clock.now).filter_map(inner).collect();
        let all: Vec<IpRange> = machine.local.held().filter_map(inner).collect();
        let address = if self.setup.component_allocates {
            let listed = self.records.carry_out(&Call::List { prefix: String::new() });
            machine.disk.add_by_component(pod, &machine.local, &listed, clock)
        } else {
            machine.disk.add(pod, &cooled, clock).or_else(|| machine.disk.add(pod, &all, clock))
        };
        match address {
            None => self.counts.adds_without_room += 1,
            Some(address) => {
                self.counts.adds += 1;
                machine.pods.insert(pod, address);
                let done = self.truth.uses(address, number, range);
                self.note(done);
            }
        }
        self.serves(number);
    }

    fn serves(&mut self, number: usize) {
        let done = self.truth.serves(number, &self.machines);
        self.note(done);
    }

    fn del(&mut self, number: usize, pod: u16) {
        let Some(machine) = self.machines.get_mut(number) else { return };
        if let Some(address) = machine.pods.remove(&pod) {
            machine.disk.del(pod, machine.now(self.now));
            self.truth.users.remove(&address);
            self.counts.dels += 1;
        }
    }

    fn start(&mut self, number: usize, process: usize, what: What) {
        let Some(machine) = self.machines.get(number) else { return };
        if !machine.is_on || machine.processes.get(process).is_none_or(Option::is_some) {
            return;
        }
        if let What::TakeOverWatched { .. } = what {
            // The watch lasts longer than two renewals.
            self.renew_leases();
        }
        let Some(task) = self.task(number, what) else { return };
        self.counts.started += 1;
        self.step(number, process, task, None);
    }

    fn give_back(&mut self, number: usize, process: usize) {
        if !matches!(self.leg(number, process), Some(Leg::Back(_))) {
            return;
        }
        if let Some(Process { task, leg: Leg::Back(reply) }) = self.machines[number].processes[process].take() {
            self.step(number, process, task, Some(reply));
        }
    }

    fn lose(&mut self, number: usize, process: usize, stray: bool) {
        if self.leg(number, process).is_none() {
            return;
        }
        let Some(Process { task, leg }) = self.machines[number].processes[process].take() else { return };
        if let Leg::There(call) = leg
            && stray
        {
            self.leave_on_its_way(call);
        }
        let fault = StoreFault::Unreachable("no answer in time".into());
        self.step(number, process, task, Some(Reply::Unknown(fault)));
    }

    fn repeat(&mut self, number: usize, process: usize) {
        if let Some(Leg::There(call)) = self.leg(number, process) {
            let call = call.clone();
            self.leave_on_its_way(call);
        }
    }

    fn kill(&mut self, number: usize, process: usize, stray: bool) {
        let killed = self.machines.get_mut(number).and_then(|machine| machine.processes.get_mut(process)?.take());
        if let Some(Process { leg: Leg::There(call), .. }) = killed.filter(|_| stray) {
            self.leave_on_its_way(call);
        }
    }

    fn power_off(&mut self, number: usize) {
        let Some(machine) = self.machines.get_mut(number).filter(|machine| machine.is_on) else { return };
        for address in machine.pods.values() {
            self.truth.users.remove(address);
        }
        for process in machine.power_off() {
            if let Leg::There(call) = process.leg {
                self.leave_on_its_way(call);
            }
        }
        self.serves(number);
    }

    /// Its containers have ended: that is what the order to take it over says.
    fn sleep(&mut self, number: usize) {
        let Some(machine) = self.machines.get(number).filter(|machine| machine.is_on) else { return };
        let pods: Vec<u16> = machine.pods.keys().copied().collect();
        pods.into_iter().for_each(|pod| self.del(number, pod));
        self.power_off(number);
        self.machines[number].is_asleep = true;
    }

    fn turn_on(&mut self, number: usize) {
        let Some(machine) = self.machines.get_mut(number).filter(|machine| !machine.is_on) else { return };
        if machine.is_asleep {
            machine.wake();
        } else {
            machine.power_on();
        }
        if self.setup.store.leases {
            // A kubelet that starts makes its Lease, or renews it.
            *self.leases.entry(machine.node.clone()).or_default() += 1;
        }
        self.serves(number);
    }

    fn restore(&mut self, number: usize) {
        self.power_off(number);
        let Some(machine) = self.machines.get_mut(number) else { return };
        if let Some(image) = machine.image.take() {
            machine.disk = image;
        }
        machine.is_asleep = false;
        self.turn_on(number);
    }

    /// Lets everything settle: no more faults, every node that may be is a member and has looked at the store. Then
    /// no node owns a block in the store and does not know of it.
    ///
    /// # Errors
    /// What is wrong, then or before.
    pub fn settles(mut self) -> Result<(), Violation> {
        self.decide(Decision::Store { up: true });
        for machine in 0..self.machines.len() {
            self.decide(Decision::On { machine });
        }
        for _ in 0..2 {
            for machine in 0..self.machines.len() {
                for process in 0..self.setup.processes {
                    self.finish(machine, process);
                }
                for task in [What::Join, What::Release, What::Sync, What::Confirm] {
                    if task == What::Join && !self.machines[machine].local.wants_to_join() {
                        continue;
                    }
                    self.decide(Decision::Start { machine, process: 0, task });
                    self.finish(machine, 0);
                }
            }
        }
        self.release_under_foreign_writes();
        self.violation.clone().map_or(Ok(()), Err)?;
        let members = self.machines.iter().filter(|machine| machine.local.membership() == MembershipState::Member);
        for machine in members {
            for block in self.truth.owners.keys() {
                let owns = self.truth.owner(*block).is_some_and(|(owner, _)| owner == machine.node);
                if owns && !machine.local.holds(*block) {
                    return Err(Violation::new(format!("{} owns {block} and does not know of it", machine.node)));
                }
            }
        }
        let joined = self.machines.iter().any(|machine| machine.local.membership() == MembershipState::Member);
        let left = self.machines.iter().any(|machine| machine.local.membership() == MembershipState::Left);
        if joined || left { Ok(()) } else { Err(Violation::new("no node can join".into())) }
    }

    /// Gives back what is idle while the version that the node knows of each block is not the latest.
    fn release_under_foreign_writes(&mut self) {
        for machine in 0..self.machines.len() {
            let pods: Vec<u16> = self.machines[machine].pods.keys().copied().collect();
            pods.into_iter().for_each(|pod| self.decide(Decision::Del { machine, pod }));
        }
        self.decide(Decision::Pass { millis: self.setup.cooldown });
        for machine in 0..self.machines.len() {
            for record in 0..self.records.iter().count() {
                self.decide(Decision::Label { record });
            }
            self.decide(Decision::Start { machine, process: 0, task: What::Release });
            self.finish(machine, 0);
        }
    }

    fn finish(&mut self, machine: usize, process: usize) {
        for _ in 0..1000 {
            if self.machines[machine].processes[process].is_none() {
                return;
            }
            self.decide(Decision::Carry { machine, process });
            self.decide(Decision::Return { machine, process });
        }
        self.note(Err(Violation::new(format!("a task of machine {machine} does not end"))));
    }
}
