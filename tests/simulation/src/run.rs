//! A run: a case, and what came of it.

use gingham_ownership::rules::{Rule, Rules};
use serde::{Deserialize, Serialize};

use crate::chooser::Component;
use crate::decision::Decision;
use crate::disk::Disk;
use crate::driver::Driver;
use crate::properties::StoreProperties;
use crate::report::Counts;
use crate::setup::Setup;
use crate::truth::Violation;
use crate::world::World;

/// A cluster to simulate, as it is kept in a replay file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Case {
    pub nodes: usize,
    /// Whether there is one more machine, which has the first node's name.
    pub twin: bool,
    pub blocks: u128,
    /// A block has two to the power of this many addresses.
    pub bits: u8,
    pub pods: usize,
    /// Milliseconds.
    pub cooldown: u64,
    /// The store.
    pub store: StoreProperties,
    /// The rule that is off: "R1" to "R12".
    pub without: Option<String>,
    /// Whether only an address that is in use twice counts as a violation.
    pub damage_only: bool,
    /// Whether the real component chooses blocks and addresses.
    pub weave_split: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            nodes: 3,
            twin: false,
            blocks: 4,
            bits: 2,
            pods: 6,
            cooldown: 10_000,
            store: StoreProperties::ETCD,
            without: None,
            damage_only: false,
            weave_split: false,
            decisions: Vec::new(),
        }
    }
}

pub fn rule(name: &str) -> Option<Rule> {
    Rule::ALL.into_iter().find(|rule| format!("{rule:?}") == name)
}

/// The component of a program that has one.
///
/// # Panics
/// If it has none.
pub fn component<D: Disk>(setup: &Setup) -> Component {
    D::component(setup).unwrap_or_else(|| panic!("no component in this program: run gingham-simulation-with-engine"))
}

impl Case {
    /// The cluster at its beginning.
    ///
    /// # Panics
    /// If the rule has another name than R1 to R12, or this program lacks the component that the case wants.
    pub fn world<D: Disk>(&self) -> World<D> {
        let rules = match &self.without {
            None => Rules::default(),
            Some(name) => {
                let Some(rule) = rule(name) else { panic!("there is no rule {name}; there are R1 to R12") };
                Rules::without(rule)
            }
        };
        let mut setup = Setup::new(self.nodes, self.blocks, self.bits, rules);
        setup.store = self.store;
        setup.damage_only = self.damage_only;
        setup.cooldown = self.cooldown;
        if self.twin {
            setup.nodes.push(setup.nodes[0].clone());
        }
        if self.weave_split {
            setup.component_allocates = true;
            setup.component = Some(component::<D>(&setup));
        }
        World::new(setup)
    }

    /// Runs at random until something is wrong, or for so many steps.
    ///
    /// # Errors
    /// The case with all its decisions, and what is wrong.
    pub fn run<D: Disk>(&self, seed: u64, steps: u64) -> Result<World<D>, Box<Failure>> {
        let mut world = self.world();
        let mut driver = Driver::new(seed, self.pods);
        let mut decisions = Vec::new();
        for _ in 0..steps {
            let decision = driver.decide(&world);
            decisions.push(decision);
            if let Err(violation) = world.apply(decision) {
                let case = Self { decisions, ..self.clone() };
                return Err(Box::new(Failure { case, violation, counts: world.counts }));
            }
        }
        Ok(world)
    }

    /// Does what the case says.
    ///
    /// # Errors
    /// What is wrong, and the case without the decisions that come after.
    pub fn replay<D: Disk>(&self) -> Result<World<D>, Box<Failure>> {
        let mut world = self.world();
        for (number, decision) in self.decisions.iter().enumerate() {
            if let Err(violation) = world.apply(*decision) {
                let decisions = self.decisions[..=number].to_vec();
                let case = Self { decisions, ..self.clone() };
                return Err(Box::new(Failure { case, violation, counts: world.counts }));
            }
        }
        Ok(world)
    }
}

/// A run that came to something that must never be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// With the decisions that led to it.
    pub case: Case,
    pub violation: Violation,
    /// What happened until then.
    pub counts: Counts,
}

impl Failure {
    /// The same failure in fewer steps: leaves decisions out as long as something is still wrong at the end. At most so
    /// many replays.
    #[must_use]
    pub fn shrink<D: Disk>(mut self, replays: usize) -> Self {
        let mut left = replays;
        let mut chunk = self.case.decisions.len().div_ceil(2);
        while chunk > 0 && left > 0 {
            let mut shrunk = false;
            let mut at = 0;
            while at < self.case.decisions.len() && left > 0 {
                left -= 1;
                let mut shorter = self.case.clone();
                let end = (at + chunk).min(shorter.decisions.len());
                shorter.decisions.drain(at..end);
                match shorter.replay::<D>() {
                    Err(failure) => {
                        self = *failure;
                        shrunk = true;
                    }
                    Ok(_) => at += chunk,
                }
            }
            if !shrunk || chunk > 1 {
                chunk /= 2;
            }
        }
        self
    }
}
