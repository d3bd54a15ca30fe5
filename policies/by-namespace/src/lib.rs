//! Each pod namespace has a pool of its own; pods of other namespaces are refused.
//!
//! ```json
//! {"type": "gingham", "policy": "by-namespace",
//!  "pools": {"team-a": "10.10.0.0/24", "team-b": "10.20.0.0/24"}, "default": "10.30.0.0/24"}
//! ```
//!
//! With `default`, pods of other namespaces and containers without one share that pool. With `label`, the pools are those
//! of the values that the namespaces' label of this key has: `{"label": "team", "pools": {"blue": "10.10.0.0/24"}}`.

use std::collections::BTreeMap;

use gingham_sdk::{Answer, Context, Fact, IpNet, Policy, Pool, Problem, Refusal, Request};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    pools: BTreeMap<String, IpNet>,
    default: Option<IpNet>,
    label: Option<String>,
}

/// The policy.
pub struct ByNamespace;

impl Policy for ByNamespace {
    type Config = Config;

    fn check_config(config: &Config, _: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        if config.pools.is_empty() && config.default.is_none() {
            return Err(vec![Problem::new("pools", "names no namespace; use {\"NAMESPACE\": \"SUBNET\"}")]);
        }
        let named = config.pools.iter().map(|(name, subnet)| Pool::new(name).subnet(*subnet));
        let default = config.default.map(|subnet| Pool::new("of all other namespaces").subnet(subnet));
        Ok(named.chain(default).collect())
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let fact = match &config.label {
            Some(label) => request.namespace_label(label),
            None => request.pod_namespace(),
        };
        // The pools come in the order in which they were declared above.
        let named = match &fact {
            Fact::Known(name) => config.pools.keys().position(|known| known == name),
            Fact::Absent | Fact::Unknown => None,
        };
        let default = config.default.map(|_| config.pools.len());
        let pool = named.or(default).ok_or_else(|| Refusal::Denied(no_pool(&fact, config)))?;
        Ok(pools[pool].take(request)?.into())
    }
}

fn no_pool(fact: &Fact, config: &Config) -> String {
    let known: Vec<&str> = config.pools.keys().map(String::as_str).collect();
    match (fact, &config.label) {
        (Fact::Known(name), None) => format!("namespace {name} has no pool here; those with one: {}", known.join(", ")),
        (Fact::Known(value), Some(label)) => {
            format!("namespaces with {label}={value} have no pool here; values with one: {}", known.join(", "))
        }
        (Fact::Absent, Some(label)) => {
            format!("the pod's namespace has no label {label}, and there is no `default` pool")
        }
        (Fact::Unknown, Some(label)) => {
            format!("the label {label} of the pod's namespace is unknown, and there is no `default` pool")
        }
        (_, None) => {
            "the runtime named no pod namespace (K8S_POD_NAMESPACE), and there is no `default` pool".to_owned()
        }
    }
}

gingham_sdk::policy!(ByNamespace);
