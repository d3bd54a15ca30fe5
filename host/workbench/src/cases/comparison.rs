//! What was expected of a step beside what happened.

use std::collections::BTreeMap;
use std::fmt::Display;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{Answer, Problem, Request};
use gingham_engine::cluster_policy::Proposal;
use gingham_engine::ipam::{IpamError, IpamResult};
use gingham_engine::ledger::LedgerQueries;
use gingham_engine::pool::Pool;
use gingham_engine::runtime::Usage;

use super::expectation::{Expected, ExpectedPool, RefusalKind};
use super::outcome::Mismatch;
use crate::error::ScenarioError;
use crate::report::{answer_line, config_lines, request_lines, route_text, run_lines};
use crate::requests::Released;
use crate::run::Run;
use crate::scenario::Scenario;

/// A step that was done.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) action: String,
    pub(super) usage: Usage,
    pub(super) mismatches: Vec<Mismatch>,
    pub(super) report: Vec<(String, String)>,
}

/// Collects what differs.
#[derive(Default)]
struct Mismatches(Vec<Mismatch>);

impl Mismatches {
    fn add(&mut self, what: &str, expected: impl Display, got: impl Display) {
        let (expected, got) = (expected.to_string(), got.to_string());
        self.0.push(Mismatch { what: what.to_owned(), expected, got });
    }

    fn equal<T: PartialEq + Display>(&mut self, what: &str, expected: Option<&T>, got: &T) {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            let shown = |text: String| if text.is_empty() { "none".to_owned() } else { text };
            self.add(what, shown(expected.to_string()), shown(got.to_string()));
        }
    }

    fn part(&mut self, what: &str, expected: Option<&String>, got: &str) {
        if let Some(part) = expected.filter(|part| !got.contains(part.as_str())) {
            self.add(what, format_args!("a text with {part:?}"), format_args!("{got:?}"));
        }
    }

    /// What holds of every call of a policy, and its bounds.
    fn of_run<T>(&mut self, run: &Run<T>, expected: &Expected) {
        if let Some(difference) = &run.difference {
            self.add("determinism", "the same from a second, fresh instance", difference);
        }
        for part in expected.log.iter().flat_map(|log| &log.0) {
            if !run.log.iter().any(|line| line.message.contains(part.as_str())) {
                let lines: Vec<&str> = run.log.iter().map(|line| line.message.as_str()).collect();
                self.add("log", format_args!("a line with {part:?}"), joined(&lines));
            }
        }
        let usage = run.usage();
        let bounds = [
            ("fuel", expected.fuel, usage.fuel),
            ("host-calls", expected.host_calls, usage.host_calls),
            ("memory", expected.memory, usage.memory as u64),
        ];
        for (what, most, used) in bounds {
            self.at_most(what, most.unwrap_or(u64::MAX), used);
        }
    }

    fn at_most(&mut self, what: &str, most: u64, used: u64) {
        if used > most {
            self.add(what, format_args!("at most {most}"), used);
        }
    }

    /// A request that was not granted. Whether that was expected.
    fn of_error(&mut self, error: &IpamError, expected: &Expected, otherwise: &str) {
        let kind = RefusalKind::of(error);
        let wanted = wanted_refusal(expected);
        match (wanted, kind) {
            (Some(wanted), Some(kind)) if wanted.includes(kind) => {
                self.part("message", expected.message.as_ref(), &error.to_string());
            }
            (Some(wanted), Some(kind)) => self.add("refused", wanted, format_args!("{kind}: {error}")),
            (None, Some(kind)) => self.add("answer", otherwise, format_args!("refused ({kind}): {error}")),
            (wanted, None) => {
                let wanted = wanted.map_or(otherwise.to_owned(), |kind| format!("a refusal ({kind})"));
                self.add("answer", wanted, error);
            }
        }
    }
}

fn wanted_refusal(expected: &Expected) -> Option<RefusalKind> {
    expected.refused.or(expected.message.as_ref().map(|_| RefusalKind::Any))
}

pub(super) fn add(scenario: &Scenario, request: &Request, run: &Run<IpamResult>, expected: &Expected) -> Compared {
    let mut found = Mismatches::default();
    match &run.result {
        Ok(result) => match wanted_refusal(expected) {
            Some(wanted) => found.add("refused", wanted, answer_line(&result.answer)),
            None => of_answer(&mut found, &result.answer, expected),
        },
        Err(error) => {
            let otherwise = expected.addresses.as_ref().map_or("an address".to_owned(), ToString::to_string);
            found.of_error(error, expected, &otherwise);
        }
    }
    found.of_run(run, expected);
    let report = request_lines(scenario, request, run);
    let action = format!("add {}", request.key.container_id);
    Compared { action, usage: run.usage(), mismatches: found.0, report }
}

fn of_answer(found: &mut Mismatches, answer: &Answer, expected: &Expected) {
    let addresses = list(answer.addresses.iter().map(|assigned| assigned.address));
    found.equal("addresses", expected.addresses.as_ref().map(ToString::to_string).as_ref(), &addresses);
    let gateways = list(answer.addresses.iter().filter_map(|assigned| assigned.gateway));
    found.equal("gateway", expected.gateway.as_ref().map(ToString::to_string).as_ref(), &gateways);
    let routes = list(answer.routes.iter().map(route_text));
    found.equal("routes", expected.routes.as_ref().map(ToString::to_string).as_ref(), &routes);
    let dns = list(answer.dns.iter().flat_map(|dns| dns.nameservers.iter().cloned()));
    found.equal("dns", expected.dns.as_ref().map(ToString::to_string).as_ref(), &dns);
    found.part("reason", expected.reason.as_ref(), answer.reason.as_deref().unwrap_or_default());
}

fn list<T: Display>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Sentences of a list, which may hold commas.
fn joined<T: AsRef<str>>(sentences: &[T]) -> String {
    match sentences {
        [] => "none".to_owned(),
        some => some.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("; "),
    }
}

/// DEL, GC, and what a failed ADD takes back.
pub(super) fn end(scenario: &Scenario, action: String, run: &Run<Released>, expected: &Expected) -> Compared {
    let mut found = Mismatches::default();
    match &run.result {
        Ok(released) => {
            let freed = expected.freed.as_ref().map(ToString::to_string);
            found.equal("freed", freed.as_ref(), &list(released.addresses.iter()));
            if let Some(failure) = &released.hook_failure {
                found.add("release hook", "no fault", failure);
            }
        }
        Err(error) => found.add("release", "no fault", error),
    }
    done(scenario, action, run, expected, found)
}

pub(super) fn check_config(scenario: &Scenario, run: &Run<Vec<Pool>>, expected: &Expected) -> Compared {
    let mut found = Mismatches::default();
    match (&run.result, &expected.problems) {
        (Ok(pools), Some(problems)) if !problems.0.is_empty() => {
            found.add("problems", joined(&problems.0), format_args!("none: it declared {}", pools_text(pools)));
        }
        (Ok(pools), _) => of_pools(&mut found, pools, expected.pools.as_deref()),
        (Err(IpamError::Problems { problems, .. }), wanted) => of_problems(&mut found, problems, wanted.as_ref()),
        (Err(error), _) => found.add("pools", "no fault", error),
    }
    done(scenario, "check-config".to_owned(), run, expected, found)
}

fn of_problems(found: &mut Mismatches, problems: &[Problem], wanted: Option<&super::values::List<String>>) {
    let got: Vec<String> = problems.iter().map(problem_text).collect();
    let fits = wanted.is_some_and(|wanted| {
        wanted.0.len() == got.len() && wanted.0.iter().zip(&got).all(|(part, problem)| problem.contains(part.as_str()))
    });
    if !fits {
        let wanted = wanted.map_or_else(|| "none".to_owned(), |wanted| joined(&wanted.0));
        found.add("problems", wanted, joined(&got));
    }
}

fn problem_text(problem: &Problem) -> String {
    match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{key}: {}", problem.message),
    }
}

fn of_pools(found: &mut Mismatches, pools: &[Pool], expected: Option<&[ExpectedPool]>) {
    let Some(expected) = expected else { return };
    if expected.len() != pools.len() {
        found.add("pools", format_args!("{} of them", expected.len()), pools_text(pools));
        return;
    }
    for (number, (wanted, pool)) in expected.iter().zip(pools).enumerate() {
        let what = |key: &str| format!("pools[{number}].{key}");
        found.equal(&what("name"), wanted.name.as_ref(), &pool.name);
        let ranges = list(pool.ranges.iter().map(|part| part.range));
        found.equal(&what("ranges"), wanted.ranges.as_ref().map(ToString::to_string).as_ref(), &ranges);
        let gateways = list(pool.ranges.iter().filter_map(|part| part.gateway));
        found.equal(&what("gateway"), wanted.gateway.as_ref().map(ToString::to_string).as_ref(), &gateways);
        let draining = pool.ranges.iter().all(|part| part.draining);
        found.equal(&what("draining"), wanted.draining.as_ref(), &draining);
    }
}

fn pools_text(pools: &[Pool]) -> String {
    list(pools.iter().map(|pool| format!("{}: {}", pool.name, list(pool.ranges.iter().map(|part| part.range)))))
}

pub(super) fn share(scenario: &Scenario, member: &str, run: &Run<Vec<IpRange>>, expected: &Expected) -> Compared {
    let mut found = Mismatches::default();
    let ranges = expected.ranges.as_ref().map(ToString::to_string);
    match &run.result {
        Ok(share) => match wanted_refusal(expected) {
            Some(wanted) => found.add("refused", wanted, list(share.iter())),
            None => found.equal("ranges", ranges.as_ref(), &list(share.iter())),
        },
        Err(error) => found.of_error(error, expected, &ranges.unwrap_or_else(|| "a share".to_owned())),
    }
    done(scenario, format!("share {member}"), run, expected, found)
}

pub(super) fn next_block(scenario: &Scenario, pool: usize, run: &Run<Proposal>, expected: &Expected) -> Compared {
    let mut found = Mismatches::default();
    match &run.result {
        Ok(proposal) => match wanted_refusal(expected) {
            Some(wanted) => found.add("refused", wanted, proposal.block),
            None => found.equal("block", expected.block.as_ref(), &proposal.block),
        },
        Err(error) => {
            let otherwise = expected.block.map_or("a block".to_owned(), |block| block.to_string());
            found.of_error(error, expected, &otherwise);
        }
    }
    done(scenario, format!("next-block {pool}"), run, expected, found)
}

fn done<T>(scenario: &Scenario, action: String, run: &Run<T>, expected: &Expected, mut found: Mismatches) -> Compared {
    found.of_run(run, expected);
    let mut report = config_lines(scenario);
    report.extend(run_lines(scenario, run));
    Compared { action, usage: run.usage(), mismatches: found.0, report }
}

/// What is recorded after a step.
pub(super) fn recorded(scenario: &Scenario, expected: &Expected) -> Result<Vec<Mismatch>, ScenarioError> {
    let mut found = Mismatches::default();
    if let Some(wanted) = &expected.leases {
        let mut leases = BTreeMap::new();
        for (key, record) in scenario.attachments()? {
            let holder = match key.interface.as_str() {
                "eth0" => key.container_id,
                interface => format!("{}/{interface}", key.container_id),
            };
            leases.extend(record.addresses.into_iter().map(|address| (address, holder.clone())));
        }
        found.of_maps("leases", wanted, &leases);
    }
    if let Some(wanted) = &expected.reservations {
        let held = scenario.reservations()?.into_iter().filter(|reservation| reservation.until > scenario.now());
        found.of_maps("reservations", wanted, &held.map(|held| (held.address, held.key)).collect());
    }
    for (key, wanted) in expected.state.iter().flatten() {
        let value = scenario.state(key)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if value.as_ref() != Some(wanted) {
            found.add(&format!("state.{key}"), wanted, value.as_deref().unwrap_or("(not set)"));
        }
    }
    let ledger = scenario.ledger();
    if let Some(most) = expected.state_keys {
        let keys = scenario.state_keys()?.len() as u64;
        found.at_most("state-keys", most, keys);
    }
    if let Some(most) = expected.state_bytes {
        found.at_most("state-bytes", most, ledger.state_size()?);
    }
    if let Some(wanted) = &expected.claims {
        found.of_maps("claims", wanted, scenario.claims());
    }
    Ok(found.0)
}

impl Mismatches {
    /// Of two large tables people see what is in one of them alone.
    fn of_maps<K: Ord + Display>(&mut self, what: &str, expected: &BTreeMap<K, String>, got: &BTreeMap<K, String>) {
        let only_in = |one: &BTreeMap<K, String>, other: &BTreeMap<K, String>| {
            let only = one.iter().filter(|(key, value)| other.get(key) != Some(value));
            let text = list(only.map(|(key, value)| format!("{key} {value}")));
            if text.is_empty() { "nothing else".to_owned() } else { text }
        };
        if expected != got {
            self.add(what, only_in(expected, got), only_in(got, expected));
        }
    }
}
