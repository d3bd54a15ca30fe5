//! The steps of this node with each policy, and the writes to the API.

use std::collections::BTreeMap;
use std::mem::take;
use std::time::{Duration, Instant};

use gingham_engine::clock;
use gingham_engine::policy_counters::PolicyCounters;
use gingham_kubernetes::{ApiError, Patch, Resource};
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{debug, info, warn};

use super::comparison::{self, Rise};
use super::installation::InstallationError;
use super::installed::InstalledPolicies;
use super::installing::{Ended, Installing};
use super::known::{Known, Snapshot, metadata};
use super::object::{AllocationPolicy, Mode};
use super::report::{Member, Report, Reports, State, of_policy};
use super::timing::Timing;
use super::turn::{Found, Situation, Step};
use super::{CALL_TIMEOUT, STEP, access, evidence, installation, leftover, summary};
use crate::cli::RegistryArguments;
use crate::facts::Places;
use crate::kubernetes::Kubernetes;
use crate::last_fault::LastFault;

/// A report that did not arrive, or was lost with the object that it was in.
const AGAIN: Duration = Duration::from_secs(10);

/// Between two comparisons on a node that serves, while others are not there yet. Each reads the node's leases.
const COMPARISON: Duration = Duration::from_secs(10);

/// Policies that are installed at one moment. Those of a registry that is silent wait for it; compilers run one after the other.
const MOST_AT_ONCE: usize = 4;

/// Where nothing goes on: everything that could change is announced by a watch or seen on disk.
const IDLE: Duration = Duration::from_hours(1);

pub(super) struct Keeper {
    kubernetes: Kubernetes,
    places: Places,
    registry: RegistryArguments,
    pub(super) known: Known,
    installed: InstalledPolicies,
    may_have_leftovers: bool,
    installing: Vec<Installing>,
    /// When something goes on without news.
    due: Instant,
    /// What this node reports, by policy; none until an earlier agent's reports were read.
    own: Option<BTreeMap<String, Report>>,
    /// What was counted of a digest before it was installed this time.
    counted: BTreeMap<String, PolicyCounters>,
    timing: Timing,
    /// By the name of the member's object.
    written: BTreeMap<String, (Vec<Report>, Instant)>,
    /// Since when an object's status is another than it should be.
    outdated: BTreeMap<String, Instant>,
    last_fault: LastFault,
}

impl Keeper {
    pub(super) fn new(kubernetes: Kubernetes, places: Places, registry: RegistryArguments) -> Self {
        let (known, installed) = (Known::new(&kubernetes), InstalledPolicies::new(&places));
        Self {
            kubernetes,
            places,
            registry,
            known,
            installed,
            may_have_leftovers: true,
            installing: Vec::new(),
            due: Instant::now(),
            own: None,
            counted: BTreeMap::new(),
            timing: Timing::default(),
            written: BTreeMap::new(),
            outdated: BTreeMap::new(),
            last_fault: LastFault::default(),
        }
    }

    /// `is_news`: whether the watches have shown anything since this was called last.
    pub(super) fn step(&mut self, is_news: bool) {
        if self.known.is_unused() {
            // A watch shows the last policy go; an agent that starts after that finds its reports.
            if self.may_have_leftovers && self.known.is_listed() {
                let removed = leftover::remove(&self.kubernetes);
                self.may_have_leftovers = removed.is_err();
                self.log_fault(&removed);
            }
            return;
        }
        self.may_have_leftovers = false;
        let has_changed = self.installed.has_changed();
        if !is_news && !has_changed && Instant::now() < self.due {
            return;
        }
        let Some(snapshot) = self.known.snapshot() else { return };
        let done = self.follow(&snapshot);
        self.due = Instant::now() + if done.is_ok() { self.pace(&snapshot) } else { STEP };
        self.log_fault(&done);
    }

    fn log_fault(&mut self, done: &Result<(), Box<ApiError>>) {
        match done {
            Ok(()) => drop(self.last_fault.end()),
            Err(error) => {
                if let Some(text) = self.last_fault.news(error) {
                    warn!("policies are not up to date: {text}");
                }
            }
        }
    }

    /// Until the next look if nothing changes meanwhile.
    fn pace(&self, snapshot: &Snapshot) -> Duration {
        let of_state = |report: &Report| match report.state {
            State::Installing | State::Observing => STEP,
            State::Failed => COMPARISON,
            State::Serving if is_compared(report, snapshot) => COMPARISON,
            _ => IDLE,
        };
        let own = self.own.iter().flat_map(BTreeMap::values).map(of_state);
        let of_status = self.outdated.values().map(|_| STEP);
        let is_reported =
            snapshot.members().all(|member| member.node != self.kubernetes.node || self.is_written(member));
        own.chain(of_status).chain((!is_reported).then_some(AGAIN)).min().unwrap_or(IDLE)
    }

    fn is_written(&self, member: &Member) -> bool {
        self.own.as_ref().is_some_and(|own| own.values().eq(&member.policies))
    }

    fn follow(&mut self, snapshot: &Snapshot) -> Result<(), Box<ApiError>> {
        self.finish_installing();
        let node = self.kubernetes.node.clone();
        let earlier = || {
            let own = snapshot.members().filter(|member| member.node == node);
            own.flat_map(|member| &member.policies).map(|report| (report.name.clone(), report.clone())).collect()
        };
        let own = self.own.get_or_insert_with(earlier);
        let names: Vec<&str> = snapshot.policies.iter().map(|policy| metadata(policy).name.as_str()).collect();
        // What is installed stays: a network may use it.
        own.retain(|name, _| names.contains(&name.as_str()));
        self.timing.retain(&names);
        for policy in self.timing.least_recently_tried(snapshot.readable()) {
            if !self.installing.iter().any(|one| one.policy().name() == policy.name()) {
                self.advance(policy, snapshot)?;
            }
        }
        self.write_reports(snapshot)?;
        self.summarise(snapshot)
    }

    fn own(&self, policy: &str) -> Option<&Report> {
        self.own.as_ref()?.get(policy)
    }

    fn set(&mut self, report: Report) {
        if let Some(own) = &mut self.own {
            own.insert(report.name.clone(), report);
        }
    }

    /// What members report; of this node, what it will.
    fn reports(&self, policy: &str, snapshot: &Snapshot) -> Reports {
        let mut reports = of_policy(snapshot.members(), policy);
        if let Some(report) = reports.get_mut(&self.kubernetes.node) {
            *report = self.own(policy).cloned();
        }
        reports
    }

    fn advance(&mut self, policy: &AllocationPolicy, snapshot: &Snapshot) -> Result<(), Box<ApiError>> {
        let reports = self.reports(policy.name(), snapshot);
        let found = self.installed.find(&policy.installed_name());
        let rise = self.rise(policy);
        let (now, at) = (clock::now(), Instant::now());
        let own = self.own.as_ref().and_then(|own| own.get(policy.name()));
        let observed = self.timing.observed(own, now, at);
        let situation = Situation {
            policy,
            node: &self.kubernetes.node,
            is_member: reports.contains_key(&self.kubernetes.node),
            is_selected: policy.selects(&snapshot.labels),
            found: found.as_ref(),
            own: self.own(policy.name()),
            reports: &reports,
            rise: rise.as_ref(),
            tries: self.timing.tries(policy, at),
            observed,
            now,
        };
        match situation.next() {
            Step::Stay => {}
            Step::Report(report) => {
                debug!(policy = policy.name(), "{:?}", report.state);
                self.set(report);
            }
            Step::Halt(report) => self.halt(policy, report),
            Step::Install => {
                let resumed = situation.own.filter(|own| own.wanted == policy.spec.digest.to_string());
                let replaced = found.as_ref().filter(|found| found.digest != policy.spec.digest);
                let before = replaced.map(|found| found.digest.to_string());
                let before = before.or_else(|| resumed.and_then(|own| own.before.clone()));
                let report = situation.report(State::Installing, before);
                self.install(policy, report, reports, snapshot)?;
            }
        }
        Ok(())
    }

    /// While it is new on this node.
    fn rise(&self, policy: &AllocationPolicy) -> Option<Rise> {
        let own = self.own(policy.name()).filter(|own| own.wanted == policy.spec.digest.to_string())?;
        let has_another_side = own.before.is_some() || policy.spec.mode == Mode::Shadow;
        if !matches!(own.state, State::Observing | State::Serving) || policy.is_over() || !has_another_side {
            return None;
        }
        let evidence = evidence::gather(policy, own.before.as_deref(), &self.places);
        let earlier = self.counted.get(&title(policy)).copied().unwrap_or_default();
        comparison::rise(&evidence.before, &evidence.new.after(earlier))
    }

    /// Begins it, unless too many are under way: the end of one is news.
    fn install(
        &mut self,
        policy: &AllocationPolicy,
        report: Report,
        reports: Reports,
        snapshot: &Snapshot,
    ) -> Result<(), Box<ApiError>> {
        if self.installing.len() >= MOST_AT_ONCE {
            return Ok(());
        }
        // A failure stays reported while it is tried again.
        let earlier = self.own(policy.name()).filter(|own| {
            let generation = own.observed_generation;
            own.state == State::Failed && (&own.wanted, generation) == (&report.wanted, report.observed_generation)
        });
        let earlier = earlier.cloned();
        if earlier.is_none() {
            // Before anything changes: others see that this node is at it.
            self.set(report.clone());
            self.write_reports(snapshot)?;
        }
        let deadline = Instant::now() + CALL_TIMEOUT;
        let object = self.kubernetes.api.get(&Resource::policies(), policy.name(), deadline)?;
        let Some(Ok(whole)) = object.as_ref().map(AllocationPolicy::read) else { return Ok(()) };
        // It has changed meanwhile, and comes again.
        if (&whole.metadata.uid, whole.metadata.generation) != (&policy.metadata.uid, policy.metadata.generation) {
            return Ok(());
        }
        self.counted.insert(title(policy), evidence::gather(policy, None, &self.places).new);
        self.timing.begin(policy, Instant::now());
        let (places, access) = (self.places.clone(), access(&self.registry));
        let work = move || installation::install(&whole, &reports, &places, &access);
        self.installing.push(Installing::start(policy.clone(), report, earlier, work, &self.known.signal));
        Ok(())
    }

    fn finish_installing(&mut self) {
        let (over, goes_on): (Vec<_>, Vec<_>) = take(&mut self.installing).into_iter().partition(Installing::is_over);
        self.installing = goes_on;
        for installing in over {
            let Ended { policy, report, earlier, result } = installing.end();
            match result {
                // The next step sees it in the library.
                Ok(()) => {
                    info!("installed policy {}", title(&policy));
                    self.set(report);
                }
                Err(error) => self.failed(&policy, report, &error, earlier.as_ref()),
            }
        }
    }

    /// What fails again in the same way is no news.
    fn failed(
        &mut self,
        policy: &AllocationPolicy,
        report: Report,
        error: &InstallationError,
        earlier: Option<&Report>,
    ) {
        self.timing.end(policy, Instant::now());
        let (name, reason) = (policy.installed_name(), error.reason().to_owned());
        let message = error.sentence(self.timing.count(policy));
        let earlier = earlier.filter(|earlier| earlier.message == message);
        if earlier.is_none() {
            warn!("policy {name}@{} is not installed: {message}", policy.spec.digest);
        }
        let since = earlier.map_or_else(clock::now, |earlier| earlier.since);
        let found = self.installed.find_again(&name);
        let state = if error.halts() { State::Halted } else { State::Failed };
        let failed = Report { state, reason, message, since, ..report };
        self.set(with(failed, found.as_ref()));
    }

    fn halt(&mut self, policy: &AllocationPolicy, mut report: Report) {
        let name = policy.installed_name();
        if let Some(before) = &report.before {
            match installation::restore(&name, before, &self.places) {
                Ok(true) => report.message = format!("{}; the node allocates with {before} again", report.message),
                Ok(false) => {}
                Err(error) => warn!("policy {name} stays at {}: {error}", policy.spec.digest),
            }
        }
        warn!("the rollout of policy {name}@{} stops: {}", policy.spec.digest, report.message);
        let found = self.installed.find_again(&name);
        self.set(with(report, found.as_ref()));
    }

    /// Into each of this node's memberships.
    fn write_reports(&mut self, snapshot: &Snapshot) -> Result<(), Box<ApiError>> {
        let reports: Vec<Report> = self.own.iter().flat_map(BTreeMap::values).cloned().collect();
        for member in snapshot.members().filter(|member| member.node == self.kubernetes.node) {
            let is_on_its_way = self
                .written
                .get(&member.object)
                .is_some_and(|(written, at)| *written == reports && at.elapsed() < AGAIN);
            if self.is_written(member) || is_on_its_way {
                continue;
            }
            let patch = json!({"status": {"policies": reports}});
            match self.patch(&Resource::members(), &member.object, &patch) {
                // It has left at this moment.
                Err(error) if error.status().is_some_and(|status| status.code == 404) => {}
                patched => patched?,
            }
            self.written.insert(member.object.clone(), (reports.clone(), Instant::now()));
        }
        Ok(())
    }

    /// Writes the status of objects that have another one.
    fn summarise(&mut self, snapshot: &Snapshot) -> Result<(), Box<ApiError>> {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        for policy in &snapshot.policies {
            let metadata = metadata(policy);
            let (reports, present, wanted) = match &**policy {
                Ok(policy) => {
                    let reports = self.reports(policy.name(), snapshot);
                    let wanted = summary::of(policy, &reports, &time);
                    (reports, &policy.status, wanted)
                }
                Err(invalid) => {
                    let reports = of_policy(snapshot.members(), &metadata.name);
                    (reports, &invalid.status, summary::of_invalid(invalid, &time))
                }
            };
            if *present == wanted {
                self.outdated.remove(&metadata.name);
                continue;
            }
            let since = *self.outdated.entry(metadata.name.clone()).or_insert_with(Instant::now);
            if since.elapsed() < summary::delay(&self.kubernetes.node, &reports, present, &wanted) {
                continue;
            }
            let version = &metadata.resource_version;
            let patch = json!({"metadata": {"resourceVersion": version}, "status": wanted});
            match self.patch(&Resource::policies(), &metadata.name, &patch) {
                // Another agent was faster, or the object is gone: the watch shows it.
                Err(error) if error.status().is_some_and(|status| matches!(status.code, 404 | 409)) => {}
                patched => patched?,
            }
            self.outdated.remove(&metadata.name);
        }
        Ok(())
    }

    fn patch(&self, resource: &Resource, name: &str, patch: &Value) -> Result<(), Box<ApiError>> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        let patched = self.kubernetes.api.patch(resource, (name, Some("status")), (Patch::Merge, patch), deadline);
        patched.map(drop).map_err(Box::new)
    }
}

fn is_compared(report: &Report, snapshot: &Snapshot) -> bool {
    let policy = snapshot.readable().find(|policy| policy.name() == report.name);
    policy.is_some_and(|policy| !policy.is_over() && (policy.spec.mode == Mode::Shadow || report.before.is_some()))
}

fn title(policy: &AllocationPolicy) -> String {
    format!("{}@{}", policy.installed_name(), policy.spec.digest)
}

fn with(report: Report, found: Option<&Found>) -> Report {
    Report {
        digest: found.map(|found| found.digest.to_string()),
        artefact: found.and_then(|found| found.artefact.as_ref()).map(ToString::to_string),
        ..report
    }
}
