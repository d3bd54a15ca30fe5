//! What a configuration makes of a policy: its pools, and what the first ADD of an empty network costs.

use gingham_engine::pool::Pools;
use gingham_engine::runtime::Policy;
use gingham_workbench::{Scenario, ScenarioError};
use serde::Serialize;
use serde_json::Value;

use crate::check_config::{PoolFacts, pool_facts};

/// A configuration, tried.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trial {
    pub(super) pools: Vec<PoolFacts>,
    /// What a container without any facts would get.
    pub(super) answer: Vec<String>,
    /// Why there are no pools, or no answer.
    pub(super) error: Option<String>,
    pub(super) calls: Vec<Call>,
    /// Keys of the configuration that the policy does not know.
    pub(super) notes: Vec<String>,
}

/// What a call of an export cost.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    pub(super) export: String,
    pub(super) fuel: u64,
    pub(super) host_calls: u64,
    /// Bytes at the end.
    pub(super) memory: usize,
    pub(super) microseconds: u128,
}

impl Trial {
    pub(super) fn of(policy: &Policy, ipam: Value) -> Result<Self, ScenarioError> {
        let mut scenario = Scenario::new(policy, ipam)?;
        // The second of two runs would be the one that is timed, with warm caches.
        scenario.set_rehearsal(false);
        let request = scenario.request("inspected");
        let run = scenario.add(&request)?;
        let pools = scenario.check_config().result.ok().and_then(|pools| Pools::new(pools).ok());
        let (answer, error) = match run.result {
            Ok(result) => (result.answer.addresses.iter().map(|one| one.address.to_string()).collect(), None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let calls = run.calls.iter().map(|call| Call {
            export: call.export.to_owned(),
            fuel: call.usage.fuel,
            host_calls: call.usage.host_calls,
            memory: call.usage.memory,
            microseconds: call.elapsed.as_micros(),
        });
        let pools = pools.map(|pools| pool_facts(&pools, &scenario.settings().exclude)).unwrap_or_default();
        let notes = scenario.unknown_keys().iter().map(ToString::to_string).collect();
        Ok(Self { pools, answer, error, calls: calls.collect(), notes })
    }
}
