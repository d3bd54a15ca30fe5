//! `ginghamctl policy check`: properties that every policy has to keep, over generated sequences of ADD, DEL, retries,
//! garbage collection, reboots, passing time, requested addresses and changed configurations.

mod asked_keys;
mod case_file;
mod execution;
mod generator;
mod growth;
mod narrowing;
mod property;
mod refusal;
mod script;
mod sequence;
mod shrink;
mod strategy;
mod subject;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gingham_engine::address::IpRange;
use gingham_engine::ipam::IpamError;
use gingham_engine::store::StoreError;
use proptest::strategy::ValueTree;
use serde_json::Value;

use crate::ScenarioError;
pub(crate) use asked_keys::asked_keys;
use execution::{Execution, Stop};
pub(crate) use execution::{FILLERS, key, name};
pub(crate) use generator::Generator;
use growth::Growth;
pub(crate) use narrowing::Usable;
pub use property::{Property, Violation};
use script::Script;
use sequence::Narrowing;
pub(crate) use sequence::{Identity, Sequence, Step};
pub use subject::Subject;

/// Why nothing can be said of a policy.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("no configuration to check the policy with")]
    NoConfiguration,
    #[error("the configuration {ipam} cannot be used: {source}")]
    Configuration { ipam: Value, source: IpamError },
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A fault of this machine, not of the policy.
    #[error(transparent)]
    Ipam(#[from] IpamError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the finding cannot be written as a case: {reason}")]
    CaseFile { reason: String },
    #[error("cannot generate a sequence: {reason}")]
    Generator { reason: String },
}

/// How much is tried.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Steps of all sequences together, roughly.
    pub steps: usize,
    pub seed: u64,
    /// No sequence is begun after this time.
    pub time: Option<Duration>,
    /// Properties that are not judged.
    pub skipped: Vec<Property>,
}

impl Default for Effort {
    fn default() -> Self {
        Self { steps: 20_000, seed: 0, time: None, skipped: Vec::new() }
    }
}

/// What was tried. A property that was never tried was not checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub sequences: usize,
    pub steps: usize,
    pub adds: usize,
    pub granted: usize,
    pub refused: usize,
    pub exhausted: usize,
    pub try_again: usize,
    pub retries: usize,
}

/// What a check found.
#[derive(Debug)]
pub struct Report {
    pub counts: Counts,
    /// None if all properties were kept.
    pub finding: Option<Finding>,
    /// What was not tried, though addresses of it are free.
    pub unserved: Vec<Unserved>,
}

/// A range that no request got an address of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unserved {
    /// Which of the configurations declares it.
    pub configuration: usize,
    pub range: IpRange,
}

/// A broken property, and the shortest way to it that was found.
#[derive(Debug, Clone)]
pub struct Finding {
    pub violation: Violation,
    /// A file for `ginghamctl policy test` that fails in the same way.
    pub case: String,
}

/// Checks a policy until a property is broken or the effort is spent.
pub fn check(subject: &Subject, effort: &Effort) -> Result<Report, CheckError> {
    let usable = subject.usable()?;
    let (counts, served) = (Counts::default(), BTreeSet::new());
    let mut checker = Checker { subject, usable, skipped: &effort.skipped, counts, served };
    let finding = match checker.growth()? {
        Some(finding) => Some(finding),
        None => checker.sequences(effort)?,
    };
    Ok(Report { counts: checker.counts, finding, unserved: checker.unserved() })
}

struct Checker<'a> {
    subject: &'a Subject,
    usable: Vec<Usable>,
    skipped: &'a [Property],
    counts: Counts,
    /// Configurations, and ranges of them, that a request got an address of.
    served: BTreeSet<(usize, usize)>,
}

/// What became of a sequence.
struct Ran {
    violation: Option<Violation>,
    counts: Counts,
    script: Script,
    served: BTreeSet<(usize, usize)>,
}

impl Checker<'_> {
    fn growth(&mut self) -> Result<Option<Finding>, CheckError> {
        let mut growth = Growth::new(self.subject, &self.usable)?;
        let grown = growth.check(&growth::KINDS, &mut self.counts);
        let Some(violation) = self.broken(grown)? else { return Ok(None) };
        // One kind of container is enough to show it.
        for kind in growth::KINDS {
            let mut alone = Growth::new(self.subject, &self.usable)?;
            let grown = alone.check(&[kind], &mut Counts::default());
            if let Some(same) = self.broken(grown)?.filter(|same| same.property == violation.property) {
                return self.finding(same, &alone.narrowing, &alone.script).map(Some);
            }
        }
        self.finding(violation, &growth.narrowing, &growth.script).map(Some)
    }

    fn sequences(&mut self, effort: &Effort) -> Result<Option<Finding>, CheckError> {
        let begun = Instant::now();
        let keys = asked_keys(self.subject, &self.usable, effort.seed)?;
        let mut generator = Generator::new(self.subject, &self.usable, effort.seed, &keys)?;
        while self.counts.steps < effort.steps && effort.time.is_none_or(|time| begun.elapsed() < time) {
            let mut tree = generator.tree()?;
            self.counts.sequences += 1;
            let Ran { violation, counts, served, .. } = self.run(&tree.current())?;
            self.counts.add(counts);
            self.served.extend(served);
            let Some(violation) = violation else { continue };
            let judge = |sequence: &Sequence| self.run(sequence).map(|ran| ran.violation);
            let (sequence, violation) = shrink::simplest(&mut tree, violation, judge)?;
            let ran = self.run(&sequence)?;
            return self.finding(violation, &sequence.narrowing, &ran.script).map(Some);
        }
        Ok(None)
    }

    fn run(&self, sequence: &Sequence) -> Result<Ran, CheckError> {
        let mut execution = Execution::new(self.subject, &self.usable, sequence)?;
        let done = execution.run(&sequence.steps);
        let violation = self.broken(done)?;
        let Execution { counts, script, served, .. } = execution;
        Ok(Ran { violation, counts, script, served })
    }

    fn unserved(&self) -> Vec<Unserved> {
        let declared = self.usable.iter().enumerate().flat_map(|(configuration, usable)| {
            let ranges = usable.declared().iter().enumerate();
            ranges.map(move |(number, range)| ((configuration, number), Unserved { configuration, range: *range }))
        });
        declared.filter(|(place, _)| !self.served.contains(place)).map(|(_, unserved)| unserved).collect()
    }

    fn finding(&self, violation: Violation, narrowing: &Narrowing, script: &Script) -> Result<Finding, CheckError> {
        let text = |script: &Script| case_file::text(self.subject, &self.usable, (narrowing, script), &violation);
        let (case, brief) = (text(script)?, text(&script.without_idle_steps())?);
        // A request that is left out gives the later ones other seeds.
        let failure = case_file::failure(&self.subject.policy, &case);
        let is_same = failure.is_some() && failure == case_file::failure(&self.subject.policy, &brief);
        Ok(Finding { violation, case: if is_same { brief } else { case } })
    }

    fn broken(&self, done: Result<(), Stop>) -> Result<Option<Violation>, CheckError> {
        match done {
            Ok(()) => Ok(None),
            Err(Stop::Violation(violation)) => {
                Ok(Some(violation).filter(|violation| !self.skipped.contains(&violation.property)))
            }
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.adds += other.adds;
        self.granted += other.granted;
        self.refused += other.refused;
        self.exhausted += other.exhausted;
        self.try_again += other.try_again;
        self.retries += other.retries;
    }
}
