//! Runs a sequence, judges each step, and writes down what was done as steps of a case.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ipam::{IpamError, IpamResult};
use serde_json::Value;

use super::narrowing::Usable;
use super::property::{self, Property, Violation};
use super::refusal;
use super::script::Script;
use super::sequence::{Identity, Sequence, Step};
use super::subject::Subject;
use super::{CheckError, Counts};
use crate::TracedCall;
use crate::cases::{self, RefusalKind};
use crate::{Released, Run, Scenario};

/// Containers that `Fill` tries, at most.
pub(crate) const FILLERS: usize = 24;

/// A reservation that ends later than so long after the last lease counts as permanent.
pub(super) const YEAR: Duration = Duration::from_hours(366 * 24);

/// Why a sequence ended early.
pub(super) enum Stop {
    Violation(Violation),
    Error(CheckError),
}

impl<E: Into<CheckError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// A network in the middle of a sequence.
pub(super) struct Execution<'a> {
    scenario: Scenario,
    configurations: Vec<Value>,
    usable: &'a [Usable],
    /// The configuration that holds.
    current: usize,
    containers: &'a [Identity],
    held: BTreeMap<usize, IpamResult>,
    fillers: usize,
    pub(super) counts: Counts,
    pub(super) script: Script,
    /// How many steps were begun.
    step: usize,
    /// Keys that the policy asked for, if it is watched.
    pub(super) asked: BTreeSet<String>,
    /// Ranges that a request got an address of: a configuration, and a range of it.
    pub(super) served: BTreeSet<(usize, usize)>,
}

impl<'a> Execution<'a> {
    pub(super) fn new(subject: &Subject, usable: &'a [Usable], sequence: &'a Sequence) -> Result<Self, CheckError> {
        let (scenario, configurations) = subject.narrowed(&sequence.narrowing, usable)?;
        Ok(Self {
            scenario,
            configurations,
            usable,
            current: 0,
            containers: &sequence.containers,
            held: BTreeMap::new(),
            fillers: 0,
            counts: Counts::default(),
            script: Script::default(),
            step: 0,
            asked: BTreeSet::new(),
            served: BTreeSet::new(),
        })
    }

    /// The same, noting what the policy asks for.
    pub(super) fn watched(mut self) -> Self {
        self.scenario.set_trace(true);
        self
    }

    /// All steps, and then the end: all containers end, and the pools are filled again.
    pub(super) fn run(&mut self, steps: &[Step]) -> Result<(), Stop> {
        for step in steps {
            self.step += 1;
            self.counts.steps += 1;
            self.take(step)?;
        }
        self.end_all()?;
        self.fill()
    }

    fn take(&mut self, step: &Step) -> Result<(), Stop> {
        match step {
            Step::Add { container, requested } => {
                if self.held.contains_key(container) {
                    Ok(())
                } else {
                    self.add(*container, requested).map(|_| ())
                }
            }
            Step::Del { container } => self.del(*container),
            Step::Retry { container } => self.retry(*container),
            Step::Withdraw { container } => self.withdraw(*container),
            Step::Collect { containers } => {
                let gone = containers.iter().filter(|container| self.held.remove(container).is_some());
                let keys: Vec<AttachmentKey> = gone.map(|container| key(*container)).collect();
                self.end(&keys)
            }
            Step::Fill => self.fill(),
            Step::Reboot => {
                self.held.clear();
                self.script.push(cases::Step { reboot: Some(true), ..cases::Step::default() });
                Ok(self.scenario.reboot()?)
            }
            Step::Advance { by } => {
                self.advance(*by);
                Ok(())
            }
            Step::SetBack { by } => {
                self.scenario.set_back(*by);
                self.script.set_back(*by);
                Ok(())
            }
            Step::Reconfigure { to } => {
                let Some(ipam) = self.configurations.get(*to) else { return Ok(()) };
                self.script.push(cases::Step { reconfigure: ipam.as_object().cloned(), ..cases::Step::default() });
                self.current = *to;
                Ok(self.scenario.reconfigure(ipam.clone())?)
            }
        }
    }

    fn advance(&mut self, by: Duration) {
        self.scenario.advance(by);
        self.script.advance(by);
    }

    /// Whether it was granted.
    fn add(&mut self, container: usize, requested: &[IpAddr]) -> Result<bool, Stop> {
        let identity = self.containers.get(container).cloned().unwrap_or_default();
        let written = identity.add(&name(container), requested);
        let request = cases::request::request_of(&mut self.scenario, &written, 1);
        self.script.push(written);
        let run = self.scenario.add(&request)?;
        self.counts.adds += 1;
        self.asked.extend(run.trace.iter().filter_map(key_of));
        self.judge_difference(&run)?;
        match run.result {
            Ok(result) => {
                self.counts.granted += 1;
                self.note_ranges(&result);
                if let Some(message) = refusal::families(&self.scenario, &request, &result)? {
                    self.script.expect_refusal(RefusalKind::Exhausted);
                    return Err(self.violation(Property::Families, message));
                }
                self.held.insert(container, result);
                Ok(true)
            }
            Err(error) => self.judge_error(&request, error).map(|()| false),
        }
    }

    fn note_ranges(&mut self, result: &IpamResult) {
        let declared = self.usable.get(self.current).map(Usable::declared).unwrap_or_default();
        let range_of = |address| declared.iter().position(|range| range.contains(address));
        self.served.extend(result.addresses().filter_map(range_of).map(|range| (self.current, range)));
    }

    fn judge_error(&mut self, request: &gingham_engine::attachment::Request, error: IpamError) -> Result<(), Stop> {
        if let Some(property) = Property::broken_by(&error) {
            return Err(self.violation(property, property::broken_because(&error)));
        }
        let IpamError::Refused { refusal, .. } = &error else { return Err(Stop::Error(CheckError::Ipam(error))) };
        self.counts.refused += 1;
        let broken = refusal::judge(&self.scenario, request, refusal, &mut self.counts)?;
        let Some((property, message)) = broken else {
            self.script.expect_refusal(RefusalKind::of(&error).unwrap_or(RefusalKind::Any));
            return Ok(());
        };
        if property == Property::RefusalsEnd {
            self.script.expect_refusal(RefusalKind::TryAgain);
            self.script.repeat_later(&self.scenario, refusal::patience(refusal))?;
        }
        Err(self.violation(property, message))
    }

    fn judge_difference<T>(&self, run: &Run<T>) -> Result<(), Stop> {
        match &run.difference {
            Some(difference) => Err(self.violation(Property::Deterministic, difference.to_string())),
            None => Ok(()),
        }
    }

    fn judge_end(&self, run: &Run<Released>) -> Result<(), Stop> {
        self.judge_difference(run)?;
        match &run.result {
            Ok(Released { hook_failure: Some(failure), .. }) => {
                Err(self.violation(Property::NoFaults, format!("the release hook failed: {failure}")))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.violation(Property::NoFaults, error.to_string())),
        }
    }

    fn del(&mut self, container: usize) -> Result<(), Stop> {
        if self.held.remove(&container).is_none() {
            return Ok(());
        }
        // Runtimes repeat DEL until it succeeds.
        for _ in 0..2 {
            self.script.push(cases::Step { del: Some(name(container)), ..cases::Step::default() });
            let run = self.scenario.del(&key(container));
            self.judge_end(&run)?;
        }
        Ok(())
    }

    fn withdraw(&mut self, container: usize) -> Result<(), Stop> {
        let Some(result) = self.held.remove(&container) else { return Ok(()) };
        self.script.push(cases::Step { withdraw: Some(name(container)), ..cases::Step::default() });
        let run = self.scenario.withdraw(&key(container), &result);
        self.judge_end(&run)
    }

    fn end(&mut self, keys: &[AttachmentKey]) -> Result<(), Stop> {
        self.script.collect(keys);
        let run = self.scenario.end(keys);
        self.judge_end(&run)
    }

    /// ADD, its end, and the same ADD again, with nothing between them: what was possible is still possible.
    fn retry(&mut self, container: usize) -> Result<(), Stop> {
        self.del(container)?;
        if !self.add(container, &[])? {
            return Ok(());
        }
        self.del(container)?;
        self.counts.retries += 1;
        let before = self.scenario.branch();
        if self.add(container, &[])? {
            return Ok(());
        }
        let identity = self.containers.get(container).cloned().unwrap_or_default();
        match refusal::of_retry(&before, &identity, &name(container))? {
            Some(message) => {
                self.script.expect_granted();
                Err(self.violation(Property::Retries, message))
            }
            None => Ok(()),
        }
    }

    fn fill(&mut self) -> Result<(), Stop> {
        for _ in 0..FILLERS {
            self.fillers += 1;
            if !self.add(self.containers.len() + self.fillers, &[])? {
                break;
            }
        }
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), Stop> {
        self.held.clear();
        let attachments = self.scenario.attachments()?;
        let keys: Vec<AttachmentKey> = attachments.into_iter().map(|(key, _)| key).collect();
        self.end(&keys)?;
        self.advance(self.scenario.settings().cooldown);
        let latest = self.scenario.reservations()?.into_iter().max_by_key(|reservation| reservation.until);
        let bound = self.scenario.now().saturating_add(u64::try_from(YEAR.as_millis()).unwrap_or(u64::MAX));
        let Some(permanent) = latest.filter(|reservation| reservation.until > bound) else { return Ok(()) };
        self.advance(YEAR);
        self.script.expect_no_reservation();
        let (address, key) = (permanent.address, permanent.key);
        let message =
            format!("all containers have ended, and {address} stays reserved for {key:?} for more than a year");
        Err(self.violation(Property::FreesAll, message))
    }

    fn violation(&self, property: Property, message: String) -> Stop {
        Stop::Violation(Violation { property, message, steps: self.step })
    }
}

pub(crate) fn name(container: usize) -> String {
    format!("c{container}")
}

pub(crate) fn key(container: usize) -> AttachmentKey {
    AttachmentKey { container_id: name(container), interface: "eth0".to_owned() }
}

/// The key that the call asks for, if it asks for one.
fn key_of(traced: &TracedCall) -> Option<String> {
    let asks = matches!(
        traced.call.function.as_str(),
        "request.pod-label"
            | "request.pod-annotation"
            | "request.namespace-label"
            | "request.namespace-annotation"
            | "request.cni-arg"
            | "request.args-label"
    );
    // After the request itself. The trace has texts in quotes.
    let key = traced.call.arguments.last().filter(|_| asks)?;
    serde_json::from_str(key).ok()
}
