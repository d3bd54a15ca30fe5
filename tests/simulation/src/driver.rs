//! Decides at random what happens next, often enough something bad.

use gingham_ownership::local::MembershipState;

use crate::decision::{Decision, What};
use crate::disk::Disk;
use crate::machine::Machine;
use crate::process::Leg;
use crate::random::Random;
use crate::world::World;

#[derive(Debug, Clone)]
pub struct Driver {
    random: Random,
    pods: usize,
    phase: Phase,
    /// Steps until the next phase.
    left: usize,
}

/// How often things happen, for a while. Where everything is equally likely, much is never seen: blocks are given back
/// only where containers go more often than they come.
#[derive(Debug, Clone, Default)]
struct Phase {
    starts: [usize; 16],
    under_way: [usize; 5],
}

/// ADD, DEL, claim, release, sync, beat, leave, observe, take over, take over for silence, off, image, restore, clock,
/// sleep, wait.
const STARTS: [usize; 16] = [350, 350, 70, 100, 70, 10, 8, 60, 60, 20, 12, 8, 3, 3, 12, 30];
/// Kill, lose, repeat, wait, go on.
const UNDER_WAY: [usize; 5] = [30, 60, 30, 180, 700];
const PHASE: usize = 400;

impl Phase {
    fn new(random: &mut Random) -> Self {
        let mut vary = |usual: &usize| usual * [0, 1, 1, 3, 8][random.below(5)];
        let mut phase = Self { starts: STARTS, under_way: UNDER_WAY };
        phase.starts.iter_mut().for_each(|weight| *weight = vary(weight));
        phase.under_way.iter_mut().for_each(|weight| *weight = vary(weight));
        // Whatever else, it goes on.
        phase.starts[15] += 1;
        phase.under_way[4] += 300;
        phase
    }
}

impl Driver {
    /// The decisions of a seed. `pods` is how many containers a machine has at most.
    pub fn new(seed: u64, pods: usize) -> Self {
        Self { random: Random::from_seed(seed), pods, phase: Phase::default(), left: 0 }
    }

    pub fn decide<D: Disk>(&mut self, world: &World<D>) -> Decision {
        if self.left == 0 {
            self.phase = Phase::new(&mut self.random);
            self.left = PHASE;
        }
        self.left -= 1;
        if self.random.happens(30) {
            return self.outside(world);
        }
        let number = self.random.below(world.machines.len());
        let machine = &world.machines[number];
        if !machine.is_on {
            return if self.random.happens(60) { Decision::On { machine: number } } else { self.outside(world) };
        }
        let process = self.random.below(machine.processes.len());
        match machine.processes[process].as_ref().map(|process| &process.leg) {
            Some(leg) => self.under_way(number, process, leg),
            None => self.starts(world, number, process),
        }
    }

    fn under_way(&mut self, machine: usize, process: usize, leg: &Leg) -> Decision {
        let stray = self.random.happens(700);
        match (self.random.weighted(&self.phase.under_way), leg) {
            (0, _) => Decision::Kill { machine, process, stray },
            (1, _) => Decision::Lose { machine, process, stray },
            (2, Leg::There(_)) => Decision::Repeat { machine, process },
            // Late: something else happens meanwhile.
            (3, _) => Decision::Pass { millis: 0 },
            (_, Leg::There(_) | Leg::Half(_)) => Decision::Carry { machine, process },
            (_, Leg::Back(_)) => Decision::Return { machine, process },
        }
    }

    fn starts<D: Disk>(&mut self, world: &World<D>, machine: usize, process: usize) -> Decision {
        let state = &world.machines[machine];
        let start = |task| Decision::Start { machine, process, task };
        match state.local.membership() {
            MembershipState::Left if self.random.happens(300) => return start(What::Join),
            MembershipState::Member if state.is_out_of_touch() && self.random.happens(300) => {
                return start(What::Confirm);
            }
            MembershipState::Member => {}
            _ if self.random.happens(700) => return start(What::Join),
            _ => {}
        }
        let of = self.random.below(world.machines.len());
        match self.random.weighted(&self.phase.starts) {
            0 => self.add_or_claim(state, machine, process),
            1 => Decision::Del { machine, pod: self.pod() },
            2 => start(What::Claim),
            3 => start(What::Release),
            4 => start(What::Sync),
            5 => start(What::Beat),
            6 => start(What::Leave),
            7 => start(What::Observe { of }),
            8 if world.setup.store.leases && self.random.happens(500) => start(What::TakeOverWatched { of }),
            8 => start(What::TakeOver { of }),
            9 => start(What::TakeOverSilent { of }),
            10 => Decision::Off { machine },
            11 => Decision::Image { machine },
            12 => Decision::Restore { machine },
            13 => {
                let hours = i64::try_from(self.random.below(49)).unwrap_or(0) - 24;
                Decision::Clock { machine, from_true: hours * 3_600_000 }
            }
            // With other stores a node that was cut off asks for itself.
            14 if world.setup.store.leases => Decision::Sleep { machine },
            _ => Decision::Pass { millis: 1_000 },
        }
    }

    fn add_or_claim<D: Disk>(&mut self, state: &Machine<D>, machine: usize, process: usize) -> Decision {
        if state.local.held().next().is_none() && self.random.happens(500) {
            return Decision::Start { machine, process, task: What::Claim };
        }
        Decision::Add { machine, pod: self.pod() }
    }

    fn pod(&mut self) -> u16 {
        u16::try_from(self.random.below(self.pods)).unwrap_or(0)
    }

    /// What happens elsewhere: in the store, to stray calls, to time.
    fn outside<D: Disk>(&mut self, world: &World<D>) -> Decision {
        let store = world.setup.store;
        if store.foreign_writes && self.random.happens(100) {
            return Decision::Label { record: self.random.below(world.records.iter().count()) };
        }
        if store.leases && self.random.happens(30) {
            return Decision::LoseLease { machine: self.random.below(world.machines.len()) };
        }
        let stray = self.random.below(world.strays.len());
        match self.random.below(100) {
            0..40 if !world.strays.is_empty() => Decision::Arrive { stray },
            40..50 if !world.strays.is_empty() => Decision::Vanish { stray },
            50..53 if world.is_up => Decision::Store { up: false },
            53..95 if !world.is_up => Decision::Store { up: true },
            _ => {
                let millis = u64::try_from(self.random.below(30_000)).unwrap_or(0);
                Decision::Pass { millis }
            }
        }
    }
}
