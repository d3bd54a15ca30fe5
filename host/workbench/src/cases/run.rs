//! Running a case.

use std::collections::BTreeMap;
use std::time::Instant;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ipam::IpamResult;
use gingham_engine::ledger::AttachmentRecord;
use gingham_engine::runtime::{Policy, Usage};
use serde_json::{Map, Value};

use super::action::Action;
use super::comparison::{self, Compared};
use super::file::{Case, CaseFile, Lease};
use super::outcome::{CaseOutcome, Failure, Mismatch};
use super::read::line_at;
use super::request::{numbered, request_of};
use super::situation::{check_state, record};
use super::step::Step;
use crate::error::ScenarioError;
use crate::run::Run;
use crate::scenario::{Scenario, millis};

/// Runs the case with this index of a file. `text` is what the file was read from.
pub fn run(policy: &Policy, file: &CaseFile, text: &str, index: usize) -> CaseOutcome {
    let began = Instant::now();
    let spanned = &file.cases[index];
    let case = spanned.get_ref();
    let line = line_at(text, spanned.span().start);
    let mut outcome = CaseOutcome {
        name: case.name.clone(),
        line,
        steps: 0,
        usage: Usage::default(),
        elapsed: began.elapsed(),
        unknown_keys: Vec::new(),
        failure: None,
    };
    match situation(policy, file, case) {
        Ok(scenario) => {
            outcome.unknown_keys = scenario.unknown_keys();
            steps(scenario, case, text, &mut outcome);
        }
        Err(error) => {
            let mismatches = vec![impossible(&error)];
            outcome.failure =
                Some(Failure { step: 0, line, action: "the situation".to_owned(), mismatches, report: Vec::new() });
        }
    }
    outcome.elapsed = began.elapsed();
    outcome
}

fn steps(scenario: Scenario, case: &Case, text: &str, outcome: &mut CaseOutcome) {
    let mut runner = Runner { scenario, granted: BTreeMap::new() };
    for (index, spanned) in case.steps.iter().enumerate() {
        let step = spanned.get_ref();
        // A file whose steps are none is not read.
        let Ok(action) = step.action() else { continue };
        let failed = |error| Compared {
            action: action.key().to_owned(),
            mismatches: vec![impossible(&error)],
            ..Compared::default()
        };
        let compared = runner.repeat(step, action).unwrap_or_else(failed);
        if action == Action::Reconfigure {
            let new = runner.scenario.unknown_keys().into_iter().filter(|key| !outcome.unknown_keys.contains(key));
            outcome.unknown_keys.extend(new.collect::<Vec<_>>());
        }
        outcome.steps += 1;
        outcome.usage = sum(outcome.usage, compared.usage);
        if !compared.mismatches.is_empty() {
            outcome.failure = Some(Failure {
                step: index + 1,
                line: line_at(text, spanned.span().start),
                action: compared.action,
                mismatches: compared.mismatches,
                report: compared.report,
            });
            return;
        }
    }
}

fn impossible(error: &ScenarioError) -> Mismatch {
    let expected = "a situation that a node can be in".to_owned();
    Mismatch { what: "the case".to_owned(), expected, got: error.to_string() }
}

fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        fuel: one.fuel.saturating_add(other.fuel),
        host_calls: one.host_calls.saturating_add(other.host_calls),
        memory: one.memory.max(other.memory),
    }
}

/// The scenario before the first step.
fn situation(policy: &Policy, file: &CaseFile, case: &Case) -> Result<Scenario, ScenarioError> {
    let mut config: Map<String, Value> = file.config.clone().unwrap_or_default();
    config.extend(case.config.clone().unwrap_or_default());
    let mut scenario = Scenario::new(policy, Value::Object(config))?;
    if let Some(name) = case.network.as_ref().or(file.network.as_ref()) {
        scenario.set_network_name(name);
    }
    if let Some(node) = case.node.as_ref().or(file.node.as_ref()) {
        node.name.iter().for_each(|name| scenario.set_node(name));
        scenario.set_node_labels(node.labels.clone());
    }
    if let Some(cluster) = case.cluster.as_ref().or(file.cluster.as_ref()) {
        scenario.set_members(cluster.members.iter().cloned());
        scenario.set_claiming(cluster.claiming.unwrap_or(true));
        cluster.claims.iter().try_for_each(|(block, member)| scenario.claim(member, *block))?;
    }
    case.now.iter().for_each(|now| scenario.set_now(*now));
    case.seed.iter().for_each(|seed| scenario.set_seed(*seed));
    record(&mut scenario, case)?;
    Ok(scenario)
}

pub(super) fn attachment(lease: &Lease, now: u64) -> (AttachmentKey, AttachmentRecord) {
    let mut record = AttachmentRecord {
        addresses: lease.address.0.clone(),
        since: now.saturating_sub(lease.age.map_or(0, |age| millis(age.0))),
        reason: lease.reason.clone(),
        ..AttachmentRecord::default()
    };
    record.pod.namespace = lease.pod.as_ref().map(|pod| pod.namespace.clone());
    record.pod.name = lease.pod.as_ref().map(|pod| pod.name.clone());
    (key_of(&lease.container, lease.interface.as_deref()), record)
}

fn key_of(container: &str, interface: Option<&str>) -> AttachmentKey {
    AttachmentKey { container_id: container.to_owned(), interface: interface.unwrap_or("eth0").to_owned() }
}

struct Runner {
    scenario: Scenario,
    /// What was granted, for a later `withdraw`.
    granted: BTreeMap<AttachmentKey, IpamResult>,
}

impl Runner {
    /// A step, as often as it says. What is recorded afterwards is compared once.
    fn repeat(&mut self, step: &Step, action: Action) -> Result<Compared, ScenarioError> {
        let mut all = Compared::default();
        for number in 1..=step.times.unwrap_or(1) {
            let once = self.once(step, action, number)?;
            all = Compared { usage: sum(all.usage, once.usage), ..once };
            if !all.mismatches.is_empty() {
                return Ok(all);
            }
        }
        if let Some(expected) = &step.expect {
            all.mismatches = comparison::recorded(&self.scenario, &expected.0)?;
        }
        Ok(all)
    }

    fn once(&mut self, step: &Step, action: Action, number: u32) -> Result<Compared, ScenarioError> {
        let expected = step.expect.clone().unwrap_or_default().0;
        let name = |name: &Option<String>| numbered(name.as_deref().unwrap_or_default(), step, number);
        match action {
            Action::Add => return self.add(step, number),
            Action::Del => {
                let container = name(&step.del);
                let run = self.scenario.del(&key_of(&container, step.interface.as_deref()));
                return Ok(comparison::end(&self.scenario, format!("del {container}"), &run, &expected));
            }
            Action::Gc => {
                let containers = step.gc.clone().unwrap_or_default();
                let keys: Vec<AttachmentKey> = containers.iter().map(|container| key_of(container, None)).collect();
                let run = self.scenario.end(&keys);
                return Ok(comparison::end(&self.scenario, format!("gc {}", containers.join(" ")), &run, &expected));
            }
            Action::Withdraw => return Ok(self.withdraw(step)),
            Action::CheckConfig => {
                let run = self.scenario.check_config();
                return Ok(comparison::check_config(&self.scenario, &run, &expected));
            }
            Action::Share => {
                let member = name(&step.share);
                let run = self.scenario.share(&member)?;
                return Ok(comparison::share(&self.scenario, &member, &run, &expected));
            }
            Action::NextBlock => {
                let pool = step.next_block.unwrap_or(0);
                let run = self.scenario.next_block(pool)?;
                return Ok(comparison::next_block(&self.scenario, pool, &run, &expected));
            }
            Action::Reboot => self.scenario.reboot()?,
            Action::Advance | Action::SetBack | Action::Reconfigure | Action::Adopt | Action::SetState => {
                self.change(step)?;
            }
            Action::Members | Action::Claim | Action::Unclaim => self.change_cluster(step)?,
        }
        Ok(Compared { action: action.key().to_owned(), ..Compared::default() })
    }

    fn add(&mut self, step: &Step, number: u32) -> Result<Compared, ScenarioError> {
        let request = request_of(&mut self.scenario, step, number);
        let run: Run<IpamResult> = self.scenario.add(&request)?;
        let expected = step.expect.clone().unwrap_or_default().0;
        let compared = comparison::add(&self.scenario, &request, &run, &expected);
        if let Ok(result) = run.result {
            self.granted.insert(request.key, result);
        }
        Ok(compared)
    }

    fn withdraw(&mut self, step: &Step) -> Compared {
        let container = step.withdraw.clone().unwrap_or_default();
        let key = key_of(&container, step.interface.as_deref());
        let result = self.granted.remove(&key).unwrap_or_default();
        let run = self.scenario.withdraw(&key, &result);
        let expected = step.expect.clone().unwrap_or_default().0;
        comparison::end(&self.scenario, format!("withdraw {container}"), &run, &expected)
    }

    fn change(&mut self, step: &Step) -> Result<(), ScenarioError> {
        if let Some(pause) = step.advance {
            self.scenario.advance(pause.0);
        }
        if let Some(pause) = step.set_back {
            self.scenario.set_back(pause.0);
        }
        if let Some(config) = &step.reconfigure {
            self.scenario.reconfigure(Value::Object(config.clone()))?;
        }
        if let Some(leases) = &step.adopt {
            let leases = leases.iter().map(|(address, container)| (key_of(container, None), *address));
            let last = step.last_reserved.iter().flat_map(|last| &last.0);
            self.scenario.adopt(leases, (0_u32..).zip(last.copied()))?;
        }
        for (key, value) in step.set_state.iter().flatten() {
            check_state("set-state", key, value)?;
            self.scenario.set_state(key, Some(value.as_bytes()))?;
        }
        Ok(())
    }

    fn change_cluster(&mut self, step: &Step) -> Result<(), ScenarioError> {
        if let Some(members) = &step.members {
            self.scenario.set_members(members.iter().cloned());
        }
        if let Some(block) = step.claim {
            let me = self.scenario.context().node;
            self.scenario.claim(step.by.as_deref().unwrap_or(&me), block)?;
        }
        step.unclaim.map_or(Ok(()), |block| self.scenario.unclaim(block))
    }
}
