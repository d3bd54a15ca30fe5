//! What this node does next with a policy: pure, of what the object wants and the nodes report.
//!
//! No node asks another, and no record says whose turn it is: nodes change in the order of their names, and one begins when
//! fewer than `maxUnavailable` of the others are changing or come before it.

use gingham_engine::library::{Digest, artefact_key};

use super::comparison::Rise;
use super::object::{AllocationPolicy, Mode};
use super::report::{Report, Reports, State};

/// After a failure that may pass.
const RETRY: u64 = 60_000;

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
    /// When this node tried last to install it. Milliseconds since the epoch, as `now`.
    pub(super) tried: u64,
    pub(super) now: u64,
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
            Some(State::Observing) if self.is_observed(own) => self.settle(State::Observing, before),
            _ => self.settle(State::Serving, before),
        }
    }

    fn is_observed(&self, own: Option<&Report>) -> bool {
        let since = own.map_or(0, |own| own.since);
        self.now.saturating_sub(since) < self.policy.spec.rollout.min_ready_seconds.saturating_mul(1_000)
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
        reason != "CompileFailed" && self.now.saturating_sub(self.tried) >= RETRY
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
