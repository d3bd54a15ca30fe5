//! What this node does next with a policy: pure, of what the object wants and the nodes report.
//!
//! No node asks another, and no record says whose turn it is: nodes change in the order of their names, and one begins when
//! fewer than `maxUnavailable` of the others are changing or come before it.

use std::time::Duration;

use gingham_engine::library::{Digest, artefact_key};

use super::comparison::Rise;
use super::object::{AllocationPolicy, Mode};
use super::report::{Report, Reports, State};

/// After a failure that may pass.
const RETRY: Duration = Duration::from_mins(1);

/// How often a compiler is started for one component. Each time may take five minutes of a processor and gigabytes: the pauses
/// between them double, and what has failed so often is the component's fault, not the node's.
pub(super) const MOST_COMPILATIONS: u32 = 4;

/// The reason of a report: the compiler needed more time or memory than it may have, or than there is.
pub(super) const STOPPED: &str = "CompilerStopped";

/// What the policy's name stands for on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) digest: Digest,
    /// Of its machine code; none if that is missing or cannot be loaded.
    pub(super) artefact: Option<Digest>,
}

pub(super) struct Situation<'a> {
    pub(super) policy: &'a AllocationPolicy,
    pub(super) node: &'a str,
    pub(super) is_member: bool,
    pub(super) is_selected: bool,
    pub(super) found: Option<&'a Found>,
    pub(super) own: Option<&'a Report>,
    /// Of all members.
    pub(super) reports: &'a Reports,
    pub(super) rise: Option<&'a Rise>,
    pub(super) tries: Tries,
    /// How long it has been compared. By no clock that people set.
    pub(super) observed: Duration,
    /// Milliseconds since the epoch, for reports.
    pub(super) now: u64,
}

/// Of this process, to install what the object wants now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) count: u32,
    /// None before the first.
    pub(super) last: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    Report(Report),
    Install,
    /// Go back to what was there before, and report this.
    Halt(Report),
}

impl Situation<'_> {
    pub(super) fn next(&self) -> Step {
        if !self.is_selected {
            return self.settle(State::NotSelected, None);
        }
        let own = self.own.filter(|own| own.wanted == self.wanted());
        if self.has_wanted() {
            return self.installed(own);
        }
        // The object written again is another try.
        let own = own.filter(|own| own.observed_generation == self.policy.metadata.generation);
        match own {
            Some(own) if own.state == State::Halted => Step::Stay,
            Some(own) if own.state == State::Failed && !self.is_retried(&own.reason) => Step::Stay,
            // Also one that died in the middle of it.
            Some(Report { state: State::Failed | State::Installing, .. }) => Step::Install,
            _ if !self.replaces() || !self.is_member || self.has_turn() => Step::Install,
            _ => self.settle(State::Waiting, None),
        }
    }

    fn installed(&self, own: Option<&Report>) -> Step {
        let before = own.and_then(|own| own.before.clone());
        let is_compared = before.is_some() || self.policy.spec.mode == Mode::Shadow;
        match own.map(|own| own.state) {
            Some(State::Installing) if is_compared => self.settle(State::Observing, before),
            Some(State::Halted) if own.map(|own| own.observed_generation) == Some(self.policy.metadata.generation) => {
                Step::Stay
            }
            Some(State::Observing | State::Serving) if is_compared && !self.policy.is_over() && self.rise.is_some() => {
                self.halt(before)
            }
            Some(State::Observing) if self.is_observed() => self.settle(State::Observing, before),
            _ => self.settle(State::Serving, before),
        }
    }

    fn is_observed(&self) -> bool {
        self.observed < Duration::from_secs(self.policy.spec.rollout.min_ready_seconds)
    }

    fn halt(&self, before: Option<String>) -> Step {
        let mut report = self.report(State::Halted, before);
        if let Some(rise) = self.rise {
            rise.reason.clone_into(&mut report.reason);
            report.message.clone_from(&rise.message);
        }
        Step::Halt(report)
    }

    fn wanted(&self) -> String {
        self.policy.spec.digest.to_string()
    }

    fn has_wanted(&self) -> bool {
        self.found.is_some_and(|found| found.digest == self.policy.spec.digest && found.artefact.is_some())
    }

    /// Whether pods may get addresses by another digest now.
    fn replaces(&self) -> bool {
        self.found.is_some_and(|found| found.digest != self.policy.spec.digest)
    }

    /// A component that does not compile never will.
    fn is_retried(&self, reason: &str) -> bool {
        let Tries { count, last } = self.tries;
        let pause = match reason {
            "CompileFailed" => return false,
            STOPPED if count >= MOST_COMPILATIONS => return false,
            STOPPED => RETRY * 2_u32.pow(count.saturating_sub(1)),
            _ => RETRY,
        };
        last.is_none_or(|last| last >= pause)
    }

    fn has_turn(&self) -> bool {
        let wanted = self.wanted();
        let mut unavailable = 0;
        for (node, report) in self.reports.iter().filter(|(node, _)| node.as_str() != self.node) {
            let current = report.as_ref().filter(|report| report.wanted == wanted);
            let generation = current.map(|report| report.observed_generation);
            match current.map(|report| report.state) {
                // The others stay as they are, whatever their number.
                Some(State::Halted) => return false,
                Some(State::Serving) => {}
                Some(State::NotSelected) if generation == Some(self.policy.metadata.generation) => {}
                Some(State::Installing | State::Observing | State::Failed) => unavailable += 1,
                // It is not there yet, and comes before this one.
                _ if node.as_str() < self.node => unavailable += 1,
                _ => {}
            }
        }
        unavailable < self.policy.spec.rollout.max_unavailable
    }

    /// Reports the state unless that was reported already.
    fn settle(&self, state: State, before: Option<String>) -> Step {
        let mut report = self.report(state, before);
        if let Some(own) = self.own.filter(|own| own.state == state && own.wanted == report.wanted) {
            report.since = own.since;
        }
        if self.own == Some(&report) { Step::Stay } else { Step::Report(report) }
    }

    pub(super) fn report(&self, state: State, before: Option<String>) -> Report {
        Report {
            name: self.policy.name().to_owned(),
            observed_generation: self.policy.metadata.generation,
            wanted: self.wanted(),
            digest: self.found.map(|found| found.digest.to_string()),
            artefact: self.found.and_then(|found| found.artefact.as_ref()).map(ToString::to_string),
            compiler: artefact_key(),
            state,
            before,
            since: self.now,
            ..Report::default()
        }
    }
}
