//! What each node reports of its policies, in the status of its `NetworkMember`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a node has of one policy, and how far it is with the wanted digest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Report {
    /// Of the object.
    pub(super) name: String,
    pub(super) observed_generation: i64,
    /// `spec.digest` of that generation.
    pub(super) wanted: String,
    /// What the node allocates with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) artefact: Option<String>,
    /// Compilers of other versions and for other processors make other artefacts.
    pub(super) compiler: String,
    pub(super) state: State,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    /// What the node allocated with before: the other side of the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
    /// When the state began: milliseconds since the epoch.
    pub(super) since: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    /// `rollout.nodeSelector` does not select the node. It keeps what it has.
    NotSelected,
    /// For its turn.
    #[default]
    Waiting,
    Installing,
    /// Installed, and compared with what it replaced.
    Observing,
    Serving,
    Failed,
    /// Refusals, faults or fuel have risen.
    Halted,
}

/// Of nodes that are members of a network, by node; none of those that report nothing about the policy.
pub(super) type Reports = BTreeMap<String, Option<Report>>;

/// A membership, as far as policies are concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) object: String,
    pub(super) node: String,
    pub(super) policies: Vec<Report>,
}

impl Member {
    /// None of a membership that has ended.
    pub(super) fn read(object: &Value) -> Option<Self> {
        if object["spec"]["membership"] != "member" {
            return None;
        }
        let written = object["status"]["policies"].as_array().into_iter().flatten();
        Some(Self {
            object: object["metadata"]["name"].as_str()?.to_owned(),
            node: object["spec"]["node"].as_str()?.to_owned(),
            // A state of a later version counts as none.
            policies: written.filter_map(|report| Report::deserialize(report).ok()).collect(),
        })
    }
}

/// What the members report of one policy.
pub(super) fn of_policy<'a>(members: impl Iterator<Item = &'a Member>, policy: &str) -> Reports {
    let mut reports = Reports::new();
    for member in members {
        let report = member.policies.iter().find(|report| report.name == policy).cloned();
        let known = reports.entry(member.node.clone()).or_default();
        // A node in several networks reports in each of them.
        *known = known.take().or(report);
    }
    reports
}
