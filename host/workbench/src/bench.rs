//! `ginghamctl policy bench`: what each export of a policy costs, with pools that are empty or nearly full, and with few
//! or many leases.

mod baseline;
mod host_local;
mod seeding;

use std::collections::BTreeMap;
use std::time::Duration;

use gingham_engine::attachment::Request;
use gingham_engine::runtime::{ExportCall, Policy};
use serde::{Deserialize, Serialize};

pub use baseline::{BaselineError, Regression, regressions};
pub use host_local::equivalent;

use gingham_engine::runtime::config::WASMTIME;

use crate::check::{CheckError, Identity, Subject};
use crate::{Scenario, ScenarioError};
use seeding::{Amount, Capacity};

/// Of the usable addresses, in percent.
const FILL_LEVELS: [u64; 4] = [0, 50, 90, 99];

const LEASES: [u64; 3] = [10, 1_000, 100_000];

/// What a policy costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bench {
    pub policy: String,
    pub wasmtime: String,
    /// The object under `ipam`, as text.
    pub config: String,
    pub situations: Vec<Situation>,
}

/// A network with so many leases, and what a request costs there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Situation {
    /// "50 % leased", "1000 leases".
    pub name: String,
    pub leases: u64,
    /// By the export's name; nothing if it was not measured.
    pub exports: BTreeMap<String, Cost>,
    /// Why the request was not granted, or why nothing was measured.
    pub note: Option<String>,
    /// What went wrong when the container ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_note: Option<String>,
}

impl Bench {
    /// Whether a request was granted in any situation.
    pub fn was_granted(&self) -> bool {
        self.situations.iter().any(|situation| situation.note.is_none())
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub fuel: u64,
    pub host_calls: u64,
    /// Bytes of linear memory at the end.
    pub memory: usize,
    /// The median.
    pub nanoseconds: u64,
}

/// Measures a policy. Each time is the median of so many `runs`; fuel, host calls and memory are the same in each.
pub fn bench(subject: &Subject, pod: (&str, &str), runs: usize) -> Result<Bench, CheckError> {
    let ipam = subject.configurations.first().ok_or(CheckError::NoConfiguration)?;
    let capacity = Capacity::of(subject, ipam)?;
    let mut situations = Vec::new();
    for (name, amount) in plan() {
        situations.push(match capacity.shares(amount) {
            Err(note) => Situation { name, leases: 0, exports: BTreeMap::new(), note: Some(note), release_note: None },
            Ok(shares) => {
                let mut scenario = subject.scenario(ipam)?;
                scenario.set_rehearsal(false);
                capacity.lease(&mut scenario, &shares)?;
                situation(name, shares.iter().sum(), &scenario, pod, runs)?
            }
        });
    }
    let (policy, wasmtime) = (subject.policy.name().to_owned(), WASMTIME.to_owned());
    Ok(Bench { policy, wasmtime, config: ipam.to_string(), situations })
}

/// The situations by name.
fn plan() -> impl Iterator<Item = (String, Amount)> {
    let fill = FILL_LEVELS.into_iter().map(|percent| (format!("{percent} % leased"), Amount::Percent(percent)));
    fill.chain(LEASES.into_iter().map(|leases| (format!("{leases} leases"), Amount::Leases(leases))))
}

fn situation(
    name: String,
    leases: u64,
    scenario: &Scenario,
    pod: (&str, &str),
    runs: usize,
) -> Result<Situation, ScenarioError> {
    let identity = Identity::of_pod(pod.0, pod.1, gingham_engine::attachment::PodFacts::default());
    let mut calls: BTreeMap<String, Vec<ExportCall>> = BTreeMap::new();
    let (mut note, mut release_note) = (None, None);
    for _ in 0..runs.max(1) {
        let mut branch = scenario.branch();
        let request: Request = identity.request(&mut branch, "bench", &[]);
        let run = branch.add(&request)?;
        note = run.result.as_ref().err().map(ToString::to_string);
        let ended = branch.del(&request.key);
        release_note = match &ended.result {
            Ok(released) => released.hook_failure.clone(),
            Err(error) => Some(error.to_string()),
        };
        // Before DEL's hook the configuration is checked once more.
        let of_hook = ended.calls.into_iter().filter(|call| call.export != "check-config");
        for call in run.calls.into_iter().chain(of_hook) {
            calls.entry(call.export.to_owned()).or_default().push(call);
        }
    }
    let exports = calls.into_iter().map(|(export, calls)| (export, cost(calls))).collect();
    Ok(Situation { name, leases, exports, note, release_note })
}

fn cost(mut calls: Vec<ExportCall>) -> Cost {
    calls.sort_by_key(|call| call.elapsed);
    let Some(middle) = calls.get(calls.len() / 2) else { return Cost::default() };
    let nanoseconds = u64::try_from(middle.elapsed.min(Duration::from_hours(1)).as_nanos()).unwrap_or(u64::MAX);
    let usage = middle.usage;
    Cost { fuel: usage.fuel, host_calls: usage.host_calls, memory: usage.memory, nanoseconds }
}

/// Whether a policy measures what another one does: as many addresses in pools of the same shape.
pub fn beside(policy: &Policy, subject: &Subject) -> Result<Option<Subject>, CheckError> {
    let ipam = subject.configurations.first().ok_or(CheckError::NoConfiguration)?;
    let scenario = subject.scenario(ipam)?;
    let pools = scenario.check_config().result?;
    let Some(ipam) = equivalent(&pools, scenario.settings()) else { return Ok(None) };
    let other = Subject::new(policy, vec![ipam.clone()]);
    // A prefix that host-local refuses has nothing to be measured beside.
    let is_accepted = other.scenario(&ipam)?.check_config().result.is_ok();
    Ok(is_accepted.then_some(other))
}
