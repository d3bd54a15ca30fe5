//! What is checked: a policy, and the configurations of a network that it serves.

use std::time::Duration;

use gingham_engine::attachment::Labels;
use gingham_engine::pool::Pools;
use gingham_engine::runtime::Policy;
use serde_json::Value;

use super::CheckError;
use super::narrowing::Usable;
use super::sequence::Narrowing;
use crate::Scenario;

/// A policy with its network and node.
#[derive(Clone)]
pub struct Subject {
    pub policy: Policy,
    /// The objects under `ipam`: the first one holds when the network begins, the others follow.
    pub configurations: Vec<Value>,
    pub network: Option<String>,
    pub node: Option<String>,
    /// None while they are unknown.
    pub node_labels: Option<Labels>,
}

impl Subject {
    pub fn new(policy: &Policy, configurations: Vec<Value>) -> Self {
        Self { policy: policy.clone(), configurations, network: None, node: None, node_labels: None }
    }

    /// A network that has just begun, with this configuration.
    pub fn scenario(&self, ipam: &Value) -> Result<Scenario, CheckError> {
        let mut scenario = Scenario::new(&self.policy, ipam.clone())?;
        if let Some(name) = &self.network {
            scenario.set_network_name(name);
        }
        if let Some(node) = &self.node {
            scenario.set_node(node);
        }
        scenario.set_node_labels(self.node_labels.clone());
        Ok(scenario)
    }

    pub(super) fn cooldown(&self) -> Result<Duration, CheckError> {
        let first = self.configurations.first().ok_or(CheckError::NoConfiguration)?;
        Ok(self.scenario(first)?.settings().cooldown)
    }

    /// What each configuration hands out.
    pub(crate) fn usable(&self) -> Result<Vec<Usable>, CheckError> {
        let usable = |ipam: &Value| {
            let scenario = self.scenario(ipam)?;
            let pools = scenario.check_config().result.and_then(|pools| {
                let policy = self.policy.name().to_owned();
                Pools::new(pools).map_err(|source| gingham_engine::ipam::IpamError::Pools { policy, source })
            });
            let pools = pools.map_err(|source| CheckError::Configuration { ipam: ipam.clone(), source })?;
            Ok(Usable::of(&pools, scenario.settings()))
        };
        self.configurations.iter().map(usable).collect()
    }

    /// The network as the narrowing leaves it, and its configurations.
    pub(crate) fn narrowed(
        &self,
        narrowing: &Narrowing,
        usable: &[Usable],
    ) -> Result<(Scenario, Vec<Value>), CheckError> {
        let both = self.configurations.iter().zip(usable);
        let configurations: Vec<Value> = both.map(|(ipam, usable)| narrowing.configuration(ipam, usable)).collect();
        let (Some(first), Some(usable)) = (configurations.first(), usable.first()) else {
            return Err(CheckError::NoConfiguration);
        };
        let mut scenario = self.scenario(first)?;
        scenario.set_attachments(narrowing.leases(usable))?;
        Ok((scenario, configurations))
    }
}
