//! Every possible order of things in a very small cluster: breadth first, so that a fault is found by its
//! shortest path. The tasks are those that run on nodes.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use gingham_ownership::local::MembershipState;
use gingham_ownership::rules::Rules;

use crate::chooser::Native;
use crate::decision::{Decision, What};
use crate::disk::PlainDisk;
use crate::process::Leg;
use crate::properties::StoreProperties;
use crate::setup::Setup;
use crate::truth::Violation;
use crate::world::World;

/// How often each thing may happen, in the whole cluster together. Replies may take as long as they like, and stray calls
/// may arrive at any time or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    pub adds: u8,
    pub dels: u8,
    pub joins: u8,
    pub claims: u8,
    pub releases: u8,
    pub syncs: u8,
    /// Takeovers, each after an observation.
    pub takeovers: u8,
    /// Takeovers because of silence, each after an observation.
    pub silences: u8,
    /// Machines that lose power and start again.
    pub boots: u8,
    /// Disks of which an image is made, and from which a machine may start.
    pub images: u8,
    /// Calls whose reply is lost.
    pub losses: u8,
    pub kills: u8,
    pub repeats: u8,
    /// Foreign writes to records.
    pub labels: u8,
    /// Takeovers of which the operator does not know whether the node runs, each after an observation.
    pub watched: u8,
    /// Leases that are deleted.
    pub lost_leases: u8,
    /// Machines that are cut off or suspended for long.
    pub sleeps: u8,
    pub confirms: u8,
}

/// A cluster to check exhaustively.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    pub name: &'static str,
    /// How many blocks of four addresses. There are two nodes, both members; the first one holds the first block.
    pub blocks: u128,
    /// Processes at the same time on a machine.
    pub processes: usize,
    pub store: StoreProperties,
    pub bounds: Bounds,
}

#[derive(Debug, Clone)]
pub struct Verdict {
    pub states: usize,
    /// Decisions up to the state that is furthest from the beginning.
    pub depth: usize,
    /// The shortest path to a violation.
    pub violation: Option<(Violation, Vec<Decision>)>,
}

#[derive(Debug, Clone, PartialEq, Hash)]
struct State {
    world: World<PlainDisk>,
    left: Bounds,
}

impl Scenario {
    /// Visits every state that can be reached, or as many as are permitted.
    ///
    /// # Panics
    /// If there are more states than that.
    pub fn check(&self, rules: Rules, damage_only: bool, most_states: usize) -> Verdict {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let first = State { world: self.beginning(rules, damage_only), left: self.bounds };
        let mut seen = HashSet::from([hasher.hash_one(&first)]);
        // For each state, the one before and what led from it to here.
        let mut paths: Vec<(usize, Decision)> = vec![(0, Decision::Pass { millis: 0 })];
        let mut waiting = VecDeque::from([(0_usize, 0_usize, first)]);
        let mut depth = 0;
        while let Some((place, distance, state)) = waiting.pop_front() {
            depth = distance;
            for (decision, left) in state.possible() {
                let mut next = State { world: state.world.clone(), left };
                let done = next.world.apply(decision);
                if let Err(violation) = done {
                    paths.push((place, decision));
                    let trace = path_to(&paths, paths.len() - 1);
                    return Verdict { states: seen.len(), depth: distance + 1, violation: Some((violation, trace)) };
                }
                if seen.insert(hasher.hash_one(&next)) {
                    assert!(seen.len() <= most_states, "{}: more than {most_states} states", self.name);
                    paths.push((place, decision));
                    waiting.push_back((paths.len() - 1, distance + 1, next));
                }
            }
        }
        Verdict { states: seen.len(), depth, violation: None }
    }

    /// Two members, and the first one holds a block.
    fn beginning(&self, rules: Rules, damage_only: bool) -> World<PlainDisk> {
        let mut setup = Setup::new(2, self.blocks, 2, rules);
        setup.processes = self.processes;
        setup.store = self.store;
        setup.chooser = Native::Lowest;
        setup.damage_only = damage_only;
        let mut world = World::new(setup);
        for (machine, task) in [(0, What::Join), (1, What::Join), (0, What::Claim)] {
            let _ = world.apply(Decision::Start { machine, process: 0, task });
            while world.machines[machine].processes[0].is_some() {
                let _ = world.apply(Decision::Carry { machine, process: 0 });
                let _ = world.apply(Decision::Return { machine, process: 0 });
            }
        }
        world
    }
}

fn path_to(paths: &[(usize, Decision)], mut place: usize) -> Vec<Decision> {
    let mut trace = Vec::new();
    while place != 0 {
        trace.push(paths[place].1);
        place = paths[place].0;
    }
    trace.reverse();
    trace
}

impl State {
    /// What may happen next, and what may happen after that.
    fn possible(&self) -> Vec<(Decision, Bounds)> {
        let mut possible = Vec::new();
        for stray in 0..self.world.strays.len() {
            possible.push((Decision::Arrive { stray }, self.left));
        }
        for record in 0..self.world.records.iter().count() {
            let labels = self.left.labels.checked_sub(1);
            possible.extend(labels.map(|labels| (Decision::Label { record }, Bounds { labels, ..self.left })));
        }
        for machine in 0..self.world.machines.len() {
            self.of_machine(machine, &mut possible);
            self.of_processes(machine, &mut possible);
        }
        possible
    }

    /// A decision that is bounded, if its bound allows one more.
    fn bounded(&self, decision: Decision, bound: fn(&mut Bounds) -> &mut u8) -> Option<(Decision, Bounds)> {
        let mut left = self.left;
        let bound = bound(&mut left);
        *bound = bound.checked_sub(1)?;
        Some((decision, left))
    }

    fn of_machine(&self, machine: usize, possible: &mut Vec<(Decision, Bounds)>) {
        let state = &self.world.machines[machine];
        if !state.is_on {
            // Paid for when the power went.
            possible.push((Decision::On { machine }, self.left));
            return;
        }
        possible.extend(self.bounded(Decision::Off { machine }, |left| &mut left.boots));
        possible.extend(self.bounded(Decision::Sleep { machine }, |left| &mut left.sleeps));
        possible.extend(if state.image.is_some() {
            self.bounded(Decision::Restore { machine }, |left| &mut left.boots)
        } else {
            self.bounded(Decision::Image { machine }, |left| &mut left.images)
        });
        if !state.pods.is_empty() {
            possible.extend(self.bounded(Decision::Del { machine, pod: 0 }, |left| &mut left.dels));
        } else if state.local.held().next().is_some() {
            possible.extend(self.bounded(Decision::Add { machine, pod: 0 }, |left| &mut left.adds));
        }
        possible.extend(self.bounded(Decision::LoseLease { machine }, |left| &mut left.lost_leases));
        if let Some(process) = state.processes.iter().position(Option::is_none) {
            self.of_tasks(machine, process, possible);
        }
    }

    /// The tasks that a machine may start as its process `process`.
    fn of_tasks(&self, machine: usize, process: usize, possible: &mut Vec<(Decision, Bounds)>) {
        let state = &self.world.machines[machine];
        let start = |task| Decision::Start { machine, process, task };
        if state.local.membership() != MembershipState::Member {
            possible.extend(self.bounded(start(What::Join), |left| &mut left.joins));
            return;
        }
        possible.extend(self.bounded(start(What::Claim), |left| &mut left.claims));
        possible.extend(self.bounded(start(What::Release), |left| &mut left.releases));
        possible.extend(self.bounded(start(What::Sync), |left| &mut left.syncs));
        possible.extend(self.bounded(start(What::Confirm), |left| &mut left.confirms));
        let of = 1 - machine;
        if !state.observations.contains_key(&of) {
            if self.left.takeovers + self.left.silences + self.left.watched > 0 {
                possible.push((start(What::Observe { of }), self.left));
            }
            return;
        }
        if !self.world.machines[of].is_on {
            possible.extend(self.bounded(start(What::TakeOver { of }), |left| &mut left.takeovers));
        }
        possible.extend(self.bounded(start(What::TakeOverWatched { of }), |left| &mut left.watched));
        possible.extend(self.bounded(start(What::TakeOverSilent { of }), |left| &mut left.silences));
    }

    fn of_processes(&self, machine: usize, possible: &mut Vec<(Decision, Bounds)>) {
        for (process, state) in self.world.machines[machine].processes.iter().enumerate() {
            let Some(state) = state else { continue };
            possible.extend(self.bounded(Decision::Lose { machine, process, stray: true }, |left| &mut left.losses));
            possible.extend(self.bounded(Decision::Kill { machine, process, stray: true }, |left| &mut left.kills));
            match state.leg {
                Leg::There(_) => {
                    possible.extend(self.bounded(Decision::Repeat { machine, process }, |left| &mut left.repeats));
                    possible.push((Decision::Carry { machine, process }, self.left));
                }
                Leg::Half(_) => possible.push((Decision::Carry { machine, process }, self.left)),
                Leg::Back(_) => possible.push((Decision::Return { machine, process }, self.left)),
            }
        }
    }
}
