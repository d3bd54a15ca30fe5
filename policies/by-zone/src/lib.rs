//! Each zone of the cluster has a pool of its own.
//!
//! ```json
//! {"type": "gingham", "policy": "by-zone", "zones": {"a": "10.1.0.0/16", "b": "10.2.0.0/16"},
//!  "nodes": {"node-a-": "a", "node-b-": "b"}}
//! ```
//!
//! The zone is the node's label `topology.kubernetes.io/zone`, or the one that `label` names. Where the host does not know
//! the node's labels, it is that of the longest key of `nodes` with which the node's name begins.

use std::collections::BTreeMap;

use gingham_sdk::{Answer, Context, Fact, IpNet, Policy, Pool, Problem, Refusal, Request};

const LABEL: &str = "topology.kubernetes.io/zone";

/// The keys under `ipam`.
#[derive(serde::Deserialize)]
pub struct Config {
    zones: BTreeMap<String, IpNet>,
    /// Beginnings of node names.
    #[serde(default)]
    nodes: BTreeMap<String, String>,
    label: Option<String>,
}

/// The policy.
pub struct ByZone;

impl Policy for ByZone {
    type Config = Config;

    fn check_config(config: &Config, context: &Context) -> Result<Vec<Pool>, Vec<Problem>> {
        let zone = zone(config, context).map_err(|problem| vec![problem])?;
        let Some(subnet) = config.zones.get(&zone) else {
            let known: Vec<&str> = config.zones.keys().map(String::as_str).collect();
            let message = format!("has no zone {zone:?}, where node {} is; add it to {known:?}", context.node_name());
            return Err(vec![Problem::new("zones", message)]);
        };
        Ok(vec![Pool::new(zone).subnet(*subnet)])
    }

    fn allocate(_: &Config, pools: &[Pool], request: &Request) -> Result<Answer, Refusal> {
        let zone = pools[0].name();
        Ok(Answer::from(pools[0].take(request)?).because(format!("the node is in zone {zone}")))
    }
}

fn zone(config: &Config, context: &Context) -> Result<String, Problem> {
    let label = config.label.as_deref().unwrap_or(LABEL);
    let node = context.node_name();
    match context.node_label(label) {
        Fact::Known(zone) => Ok(zone),
        Fact::Absent => Err(Problem::new("label", format!("node {node} has no label {label}; label it with its zone"))),
        Fact::Unknown => {
            let longest =
                config.nodes.iter().filter(|(begin, _)| node.starts_with(*begin)).max_by_key(|(b, _)| b.len());
            longest.map(|(_, zone)| zone.clone()).ok_or_else(|| {
                let message =
                    format!("the labels of node {node} are unknown, and no key here begins its name; add one");
                Problem::new("nodes", message)
            })
        }
    }
}

gingham_sdk::policy!(ByZone);
