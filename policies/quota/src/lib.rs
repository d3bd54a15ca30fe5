//! Each pod namespace has a bound of addresses.
//!
//! ```json
//! {"type": "gingham", "policy": "quota", "subnet": "10.1.0.0/16", "quota": 20, "namespaces": {"shop": 200}}
//! ```
//!
//! The host counts the leases, so that the bound holds whether or not this policy is called. Containers without a pod have
//! no bound.

use std::collections::BTreeMap;

use gingham_sdk::{Answer, Context, IpNet, Policy, Pool, Problem, Refusal, Request, leases};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    subnet: IpNet,
    /// Of each namespace.
    quota: u64,
    /// Of these namespaces instead.
    #[serde(default)]
    namespaces: BTreeMap<String, u64>,
}

/// The policy.
pub struct Quota;

impl Policy for Quota {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("subnet").subnet(config.subnet)])
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        if let Some(namespace) = request.pod_namespace().known() {
            let quota = config.namespaces.get(&namespace).copied().unwrap_or(config.quota);
            let held = leases::count_of_namespace(&namespace);
            if held >= quota {
                let message = format!("namespace {namespace} has {held} addresses here, and its quota is {quota}");
                return Err(Refusal::TryAgain { message, after: None });
            }
        }
        Ok(pools[0].take(request)?.into())
    }
}

gingham_sdk::policy!(Quota);
