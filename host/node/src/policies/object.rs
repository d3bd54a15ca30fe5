//! The API's objects `AllocationPolicy`, as far as an agent reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gingham_engine::library::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AllocationPolicy {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    #[serde(default)]
    pub(super) status: Status,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) generation: i64,
    /// As the API writes times: in the order of the alphabet.
    pub(super) creation_timestamp: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Spec {
    pub(super) digest: Digest,
    pub(super) source: Source,
    #[serde(default)]
    pub(super) mode: Mode,
    #[serde(default)]
    pub(super) rollout: Rollout,
}

/// Exactly one of `inline`, `image` and `volume` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    /// Base64.
    pub(super) inline: Option<String>,
    /// Of `inline`: what would be in `FILE.sig`.
    pub(super) signature: Option<String>,
    pub(super) image: Option<String>,
    pub(super) volume: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mode {
    #[default]
    Enforce,
    Shadow,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Rollout {
    pub(super) node_selector: BTreeMap<String, String>,
    pub(super) max_unavailable: usize,
    pub(super) min_ready_seconds: u64,
}

impl Default for Rollout {
    fn default() -> Self {
        Self { node_selector: BTreeMap::new(), max_unavailable: 1, min_ready_seconds: 30 }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) observed_generation: i64,
    pub(super) ready: usize,
    pub(super) total: usize,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) observed_generation: i64,
    pub(super) last_transition_time: String,
    pub(super) reason: String,
    pub(super) message: String,
}

/// An object that this version cannot follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    pub(super) metadata: Metadata,
    pub(super) status: Status,
    /// A sentence.
    pub(super) reason: String,
}

impl AllocationPolicy {
    /// The schema permits what a later version writes, and an API server without it would permit anything.
    pub(super) fn read(object: &Value) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid {
            metadata: Metadata::deserialize(&object["metadata"]).unwrap_or_default(),
            status: Status::deserialize(&object["status"]).unwrap_or_default(),
            reason,
        };
        let policy = Self::deserialize(object).map_err(|error| {
            invalid(format!("agents cannot read spec: {error}; compare it with kubectl explain gpol.spec"))
        })?;
        if Digest::parse(&policy.spec.digest.to_string()).is_none() {
            let reason =
                "spec.digest is not sha256: and 64 digits; use the digest that ginghamctl policy inspect prints";
            return Err(invalid(reason.to_owned()));
        }
        Ok(policy)
    }

    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The name in this node's library: what configurations name in `ipam.policy`, or in `ipam.shadow`.
    pub(super) fn installed_name(&self) -> String {
        match self.spec.mode {
            Mode::Enforce => self.metadata.name.clone(),
            Mode::Shadow => format!("{}-shadow", self.metadata.name),
        }
    }

    fn of_same_name(&self) -> Invalid {
        let name = self.installed_name();
        let reason = format!(
            "in mode shadow it is installed as {name}, which is the name of another AllocationPolicy; create it under another name"
        );
        Invalid { metadata: self.metadata.clone(), status: self.status.clone(), reason }
    }

    fn beyond(&self) -> Invalid {
        let reason = format!(
            "there are more AllocationPolicies than the {MOST_FOLLOWED} that agents follow, and {MOST_FOLLOWED} are older; delete those \
             that no network uses"
        );
        Invalid { metadata: self.metadata.clone(), status: self.status.clone(), reason }
    }

    pub(super) fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.spec.rollout.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Whether the rollout of this generation is over.
    pub(super) fn is_over(&self) -> bool {
        let is_current = |condition: &&Condition| {
            condition.kind == SERVING && condition.observed_generation == self.metadata.generation
        };
        self.status.conditions.iter().find(is_current).is_some_and(|condition| condition.status == "True")
    }
}

/// Two objects that are installed under one name would replace each other without end. The one that pods get addresses by stays.
pub(super) fn refuse_same_names(policies: &mut [Arc<Result<AllocationPolicy, Invalid>>]) {
    let valid = policies.iter().filter_map(|policy| policy.as_ref().as_ref().ok());
    let enforced = valid.filter(|policy| policy.spec.mode == Mode::Enforce);
    let enforced: BTreeSet<String> = enforced.map(AllocationPolicy::installed_name).collect();
    for policy in policies {
        let Ok(shadow) = policy.as_ref() else { continue };
        if shadow.spec.mode == Mode::Shadow && enforced.contains(&shadow.installed_name()) {
            let refused = shadow.of_same_name();
            *policy = Arc::new(Err(refused));
        }
    }
}

/// Each node reports on each of them, in one object, and all agents read all reports.
const MOST_FOLLOWED: usize = 128;

/// The oldest stay: what serves does so whatever else is created.
pub(super) fn refuse_beyond(policies: &mut [Arc<Result<AllocationPolicy, Invalid>>]) {
    let valid = policies.iter_mut().filter(|policy| policy.is_ok());
    let mut valid: Vec<_> = valid.collect();
    let age = |policy: &Result<AllocationPolicy, Invalid>| {
        policy.as_ref().ok().map(|policy| (policy.metadata.creation_timestamp.clone(), policy.metadata.name.clone()))
    };
    valid.sort_by_key(|policy| age(policy));
    for policy in valid.into_iter().skip(MOST_FOLLOWED) {
        let refused = policy.as_ref().as_ref().ok().map(AllocationPolicy::beyond);
        refused.into_iter().for_each(|refused| *policy = Arc::new(Err(refused)));
    }
}

pub(super) const SERVING: &str = "Serving";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_thousands_the_oldest_are_followed_and_the_others_say_why() {
        let object = |number: usize| {
            let spec = json!({"digest": Digest::of(b"x").to_string(), "source": {"inline": ""}});
            let created = format!("2026-11-29T10:{:02}:{:02}Z", number / 60 % 60, number % 60);
            // The newest come first by name.
            let metadata = json!({"name": format!("policy-{}", 9_999 - number), "creationTimestamp": created});
            Arc::new(AllocationPolicy::read(&json!({"metadata": metadata, "spec": spec})))
        };
        let mut policies: Vec<_> = (0..3_000).rev().map(object).collect();
        refuse_beyond(&mut policies);
        let followed: Vec<bool> = policies.iter().rev().map(|policy| policy.is_ok()).collect();
        assert!(followed[..MOST_FOLLOWED].iter().all(|is| *is) && followed[MOST_FOLLOWED..].iter().all(|is| !is));
        let reason = &policies[0].as_ref().as_ref().unwrap_err().reason;
        assert!(reason.contains("128 are older; delete those that no network uses"), "{reason}");
    }

    #[test]
    fn of_two_objects_with_one_installed_name_the_enforced_one_stays() {
        let object = |name: &str, mode: &str| {
            let spec = json!({"digest": Digest::of(b"x").to_string(), "source": {"inline": ""}, "mode": mode});
            Arc::new(AllocationPolicy::read(&json!({"metadata": {"name": name}, "spec": spec})))
        };
        let mut policies = [
            object("teams", "shadow"),
            object("teams-shadow", "enforce"),
            object("teams-shadow", "shadow"),
            object("racks", "shadow"),
            object("racks", "enforce"),
        ];
        refuse_same_names(&mut policies);
        assert_eq!(policies.each_ref().map(|policy| policy.is_ok()), [false, true, true, true, true]);
        let reason = &policies[0].as_ref().as_ref().unwrap_err().reason;
        assert!(reason.contains("installed as teams-shadow, which is the name of another"), "{reason}");
    }
}
