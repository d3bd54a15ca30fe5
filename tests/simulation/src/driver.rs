//! Decides at random what happens next, often enough something bad.

use gingham_engine::ownership::local::Standing;

use crate::decision::{Decision, What};
use crate::disk::Disk;
use crate::machine::Machine;
use crate::process::Leg;
use crate::random::Random;
use crate::world::World;

/// A source of decisions.
#[derive(Debug, Clone)]
pub struct Driver {
    random: Random,
    /// Containers at most on a machine.
    pods: usize,
}

impl Driver {
    /// The decisions of a seed. `pods` is how many containers a machine has at most.
    pub fn new(seed: u64, pods: usize) -> Self {
        Self { random: Random::from_seed(seed), pods }
    }

    /// What happens next.
    pub fn decide<D: Disk>(&mut self, world: &World<D>) -> Decision {
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
            None => self.anew(world, number, process),
        }
    }

    fn under_way(&mut self, machine: usize, process: usize, leg: &Leg) -> Decision {
        let stray = self.random.happens(700);
        match (leg, self.random.below(100)) {
            (_, 0..3) => Decision::Kill { machine, process, stray },
            (_, 3..9) => Decision::Lose { machine, process, stray },
            (Leg::There(_), 9..12) => Decision::Repeat { machine, process },
            // Late: something else happens meanwhile.
            (_, 12..30) => Decision::Pass { millis: 0 },
            (Leg::There(_), _) => Decision::Carry { machine, process },
            (Leg::Back(_), _) => Decision::Return { machine, process },
        }
    }

    fn anew<D: Disk>(&mut self, world: &World<D>, machine: usize, process: usize) -> Decision {
        let state = &world.machines[machine];
        let start = |task| Decision::Start { machine, process, task };
        match state.local.standing() {
            Standing::Left if self.random.happens(300) => return start(What::Join),
            Standing::Member => {}
            _ if self.random.happens(700) => return start(What::Join),
            _ => {}
        }
        let of = self.random.below(world.machines.len());
        match self.random.below(1000) {
            0..350 => self.add_or_claim(state, machine, process),
            350..620 => Decision::Del { machine, pod: self.pod() },
            620..690 => start(What::Claim),
            690..790 => start(What::Release),
            790..860 => start(What::Sync),
            860..870 => start(What::Beat),
            870..880 => start(What::Leave),
            880..920 => start(What::Look { of }),
            920..960 => start(What::TakeOver { of }),
            960..970 => start(What::TakeOverSilent { of }),
            970..980 => Decision::Off { machine },
            980..987 => Decision::Image { machine },
            987..990 => Decision::Restore { machine },
            990..993 => {
                let hours = i64::try_from(self.random.below(49)).unwrap_or(0) - 24;
                Decision::Clock { machine, from_true: hours * 3_600_000 }
            }
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

    /// What happens elsewhere: in the store, on the way there, to time.
    fn outside<D: Disk>(&mut self, world: &World<D>) -> Decision {
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
