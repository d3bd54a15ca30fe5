//! A large cluster without faults of the network, from its first join to the death of some nodes: how equal, how cheap,
//! and how much is stranded.

use std::fmt;

use gingham_ownership::rules::Rules;
use ipnet::IpNet;

use crate::chooser::share;
use crate::decision::{Decision, What};
use crate::disk::Disk;
use crate::process::Leg;
use crate::random::Random;
use crate::report::{Counts, ratio};
use crate::run::component;
use crate::setup::Setup;
use crate::truth::Violation;
use crate::world::World;

#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub nodes: usize,
    pub blocks: u128,
    /// A block has two to the power of this many addresses.
    pub bits: u8,
    /// Containers on each node.
    pub pods: u16,
    /// Nodes that die in the end.
    pub dead: usize,
    /// Whether the real component proposes the blocks.
    pub weave_split: bool,
    /// In which order things happen.
    pub seed: u64,
}

#[derive(Debug, Clone)]
pub struct Figures {
    /// All nodes join, at once.
    pub joining: Counts,
    /// Every node gets its containers.
    pub filling: Counts,
    /// A tenth of the containers goes, and others come.
    pub steady: Counts,
    /// The smallest and the largest share, in blocks.
    pub shares: (u128, u128),
    /// The fewest and the most blocks that a node holds.
    pub held: (usize, usize),
    /// Held blocks that lie in the share of another.
    pub borrowed: usize,
    /// Addresses in blocks of the dead, before and after they were taken over.
    pub stranded: (u128, u128),
    /// Addresses of the whole range.
    pub addresses: u128,
    pub all: Counts,
}

impl Scale {
    /// Runs it.
    ///
    /// # Errors
    /// What must never be, and is.
    pub fn run<D: Disk>(&self) -> Result<Figures, Violation> {
        let mut setup = Setup::new(self.nodes, self.blocks, self.bits, Rules::default());
        setup.processes = 1;
        setup.component = self.weave_split.then(|| component::<D>(&setup));
        let (grid, component) = (setup.grid, setup.component);
        let mut run = Run { world: World::<D>::new(setup), random: Random::from_seed(self.seed) };
        run.until_all_have(0)?;
        let joined = run.world.counts;
        run.until_all_have(self.pods)?;
        let filled = run.world.counts;
        run.change(self.pods / 10)?;
        run.until_all_have(self.pods)?;
        let steady = run.world.counts;
        let mut names: Vec<String> = run.world.machines.iter().map(|machine| machine.node.clone()).collect();
        names.sort_unstable();
        let share_of = |node: &String| match component {
            Some(component) => component.0.share(&names, node),
            None => names
                .binary_search(node)
                .ok()
                .and_then(|at| share(grid.block_count(), names.len(), at))
                .map_or(0, |s| s.1 - s.0),
        };
        let shares: Vec<u128> = names.iter().map(share_of).collect();
        let held: Vec<usize> = run.world.machines.iter().map(|machine| machine.local.held().count()).collect();
        let stranded = run.bury(self.dead)?;
        Ok(Figures {
            joining: joined,
            filling: filled - joined,
            steady: steady - filled,
            shares: extremes(&shares),
            held: extremes(&held),
            borrowed: run.borrowed(&names),
            stranded: (stranded.0 * grid.block_size(), stranded.1 * grid.block_size()),
            addresses: grid.block_count() * grid.block_size(),
            all: run.world.counts,
        })
    }
}

fn extremes<T: Ord + Copy + Default>(numbers: &[T]) -> (T, T) {
    let (least, most) = (numbers.iter().min(), numbers.iter().max());
    (least.copied().unwrap_or_default(), most.copied().unwrap_or_default())
}

struct Run<D> {
    world: World<D>,
    random: Random,
}

impl<D: Disk> Run<D> {
    /// All nodes that run are members and have so many containers; everything they do takes turns at random.
    fn until_all_have(&mut self, pods: u16) -> Result<(), Violation> {
        let mut busy: Vec<usize> = (0..self.world.machines.len()).filter(|m| self.world.machines[*m].is_on).collect();
        while !busy.is_empty() {
            let place = self.random.below(busy.len());
            if self.go_on(busy[place], pods)? {
                busy.swap_remove(place);
            }
        }
        Ok(())
    }

    /// One step of a node. Whether it has all it wants.
    fn go_on(&mut self, machine: usize, pods: u16) -> Result<bool, Violation> {
        let state = &self.world.machines[machine];
        let start = |task| Decision::Start { machine, process: 0, task };
        let decision = match state.processes[0].as_ref().map(|process| &process.leg) {
            Some(Leg::There(_) | Leg::Half(_)) => Decision::Carry { machine, process: 0 },
            Some(Leg::Back(_)) => Decision::Return { machine, process: 0 },
            None if state.local.wants_to_join() => start(What::Join),
            None => match (0..pods).find(|pod| !state.pods.contains_key(pod)) {
                None => return Ok(true),
                Some(pod) => Decision::Add { machine, pod },
            },
        };
        let before = self.world.counts.adds_without_room;
        self.world.apply(decision)?;
        if self.world.counts.adds_without_room > before {
            self.world.apply(start(What::Claim))?;
        }
        Ok(false)
    }

    /// On every node so many containers go.
    fn change(&mut self, pods: u16) -> Result<(), Violation> {
        for machine in 0..self.world.machines.len() {
            for pod in 0..pods {
                self.world.apply(Decision::Del { machine, pod })?;
            }
        }
        Ok(())
    }

    /// The last nodes die, and the first one takes them over. Blocks of the dead before and after.
    fn bury(&mut self, dead: usize) -> Result<(u128, u128), Violation> {
        let all = self.world.machines.len();
        let of_the_dead = |world: &World<D>| {
            let live = world.truth.owners.keys().filter_map(|block| world.truth.owner(*block));
            let is_dead = |name: &str| world.machines[all - dead..].iter().any(|machine| machine.node == name);
            live.filter(|(owner, _)| is_dead(owner)).count() as u128
        };
        for machine in all - dead..all {
            self.world.apply(Decision::Off { machine })?;
        }
        let before = of_the_dead(&self.world);
        for of in all - dead..all {
            for task in [What::Observe { of }, What::TakeOver { of }] {
                self.world.apply(Decision::Start { machine: 0, process: 0, task })?;
                while self.world.machines[0].processes[0].is_some() {
                    self.world.apply(Decision::Carry { machine: 0, process: 0 })?;
                    self.world.apply(Decision::Return { machine: 0, process: 0 })?;
                }
            }
        }
        Ok((before, of_the_dead(&self.world)))
    }

    /// Blocks outside the share of who holds them. Shares are contiguous, in the order of the names.
    fn borrowed(&self, names: &[String]) -> usize {
        let grid = self.world.setup.grid;
        let is_borrowed = |node: &String, block: IpNet| {
            let own = names.binary_search(node).ok().and_then(|at| share(grid.block_count(), names.len(), at));
            let index = grid.index(block);
            !own.zip(index).is_some_and(|((from, to), index)| (from..to).contains(&index))
        };
        let of = |machine: &crate::machine::Machine<D>| {
            machine.local.held().filter(|block| is_borrowed(&machine.node, *block)).count()
        };
        self.world.machines.iter().map(of).sum()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = |what: &str, counts: Counts, of: u64| {
            format!("{what:<18}{:>10} store calls, {:.2} each", counts.calls, ratio(counts.calls, of))
        };
        writeln!(f, "{}", calls("joins", self.joining, self.joining.joins))?;
        writeln!(f, "{}", calls("ADDs, the first", self.filling, self.filling.adds))?;
        writeln!(f, "{}", calls("ADDs, later", self.steady, self.steady.adds))?;
        writeln!(f, "claims            {:>10}, {:.4} per ADD", self.all.claims, ratio(self.all.claims, self.all.adds))?;
        writeln!(f, "share in blocks   {:>10} to {}", self.shares.0, self.shares.1)?;
        writeln!(f, "blocks of a node  {:>10} to {}, {} of them borrowed", self.held.0, self.held.1, self.borrowed)?;
        let per_mille = |part: u128| {
            ratio(u64::try_from(part).unwrap_or(u64::MAX), u64::try_from(self.addresses).unwrap_or(u64::MAX)) * 100.0
        };
        writeln!(f, "stranded          {:>10} addresses ({:.3} %)", self.stranded.0, per_mille(self.stranded.0))?;
        writeln!(f, "  after takeover  {:>10}", self.stranded.1)?;
        writeln!(f, "all together\n{}", self.all)
    }
}
