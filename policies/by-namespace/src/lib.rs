//! Each pod namespace has a pool of its own; pods of other namespaces are refused.
//!
//! ```json
//! {"type": "gingham", "policy": "by-namespace",
//!  "pools": {"team-a": "10.10.0.0/24", "team-b": "10.20.0.0/24"}, "default": "10.30.0.0/24"}
//! ```
//!
//! With `default`, pods of other namespaces and containers without one share that pool.

use std::collections::BTreeMap;

use gingham_sdk::{Answer, IpNet, Policy, Pool, Problem, Refusal, Request};

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    pools: BTreeMap<String, IpNet>,
    default: Option<IpNet>,
}

/// The policy.
pub struct ByNamespace;

impl Policy for ByNamespace {
    type Config = Config;

    fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
        if config.pools.is_empty() && config.default.is_none() {
            return Err(vec![Problem::new("pools", "names no namespace; write {\"NAMESPACE\": \"SUBNET\"}")]);
        }
        let named = config.pools.iter().map(|(namespace, subnet)| Pool::new(namespace).subnet(*subnet));
        let default = config.default.map(|subnet| Pool::new("of all other namespaces").subnet(subnet));
        Ok(named.chain(default).collect())
    }

    fn allocate(config: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let namespace = request.pod_namespace().unwrap_or_default();
        // The pools come in the order in which they were declared above.
        let named = config.pools.keys().position(|name| *name == namespace);
        let default = config.default.map(|_| config.pools.len());
        let pool = named.or(default).ok_or_else(|| Refusal::Denied(no_pool(&namespace, config)))?;
        Ok(pools[pool].take(request)?.into())
    }
}

fn no_pool(namespace: &str, config: &Config) -> String {
    let known: Vec<&str> = config.pools.keys().map(String::as_str).collect();
    match namespace {
        "" => "the runtime named no pod namespace (K8S_POD_NAMESPACE), and there is no `default` pool".to_owned(),
        _ => format!("namespace {namespace} has no pool here; those with one: {}", known.join(", ")),
    }
}

gingham_sdk::policy!(ByNamespace);
