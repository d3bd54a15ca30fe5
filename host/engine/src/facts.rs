//! What the node agent learned from Kubernetes about this node and its pods: the plugin reads it and makes no network call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attachment::{Fact, Labels, Owner};

/// More pods than a kubelet runs. Those beyond are left out: their facts are unknown.
pub const MOST_PODS: usize = 4096;

/// The most bytes of labels, and of annotations, that are kept of an object. The API allows 256 KiB of annotations for each
/// pod, and every ADD on the node would read past them.
pub const LARGEST_LABELS: usize = 32 << 10;

/// Written by `kubectl apply` for itself: a copy of the whole object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// All that is kept in one data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub feed: Feed,
    pub node: Option<NodeFacts>,
    /// By name.
    pub namespaces: BTreeMap<String, NamespaceFacts>,
    /// By namespace and name.
    pub pods: BTreeMap<(String, String), KnownPod>,
}

impl Facts {
    /// Whether they say the same, whenever they were observed.
    pub fn say_the_same_as(&self, other: &Self) -> bool {
        let nodes = match (&self.node, &other.node) {
            (Some(one), Some(other)) => one.says_the_same_as(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.feed == other.feed
            && nodes
            && all_the_same(&self.namespaces, &other.namespaces)
            && all_the_same(&self.pods, &other.pods)
    }
}

fn all_the_same<K: Ord, T: Observed>(one: &BTreeMap<K, T>, other: &BTreeMap<K, T>) -> bool {
    let same = |(name, facts): (&K, &T)| other.get(name).is_some_and(|other| facts.says_the_same_as(other));
    one.len() == other.len() && one.iter().all(same)
}

/// What the agent does for this data directory while it runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feed {
    /// Whether it writes facts here: only then is it of use to wait for one.
    pub facts: bool,
    /// Whether it makes Events of what pods were refused.
    pub events: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeFacts {
    /// Milliseconds since the epoch.
    pub observed_at: u64,
    /// None if they are too large to be kept.
    pub labels: Option<Labels>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NamespaceFacts {
    /// Milliseconds since the epoch.
    pub observed_at: u64,
    /// None if they are too large to be kept.
    pub labels: Option<Labels>,
    /// As the labels.
    pub annotations: Option<Labels>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KnownPod {
    /// Milliseconds since the epoch.
    pub observed_at: u64,
    /// The API's, and of a static pod also the kubelet's own, which is the one that runtimes name.
    pub uids: Vec<String>,
    pub service_account: Fact<String>,
    pub owner: Fact<Owner>,
    /// None if they are too large to be kept.
    pub labels: Option<Labels>,
    /// As the labels.
    pub annotations: Option<Labels>,
}

impl KnownPod {
    /// Whether it is the pod of this identity, and not an earlier one of the same name. A runtime that names no identity
    /// is believed.
    pub fn is(&self, uid: Option<&str>) -> bool {
        uid.is_none_or(|uid| self.uids.iter().any(|known| known == uid))
    }
}

/// Labels or annotations as they are kept: none if they are too large. A part of them would turn those left out from
/// unknown into absent.
pub fn kept(labels: Labels) -> Option<Labels> {
    let mut labels = labels;
    labels.remove(LAST_APPLIED);
    let size: usize = labels.iter().map(|(key, value)| key.len() + value.len()).sum();
    (size <= LARGEST_LABELS).then_some(labels)
}

/// Facts that are written anew only where they changed.
pub(crate) trait Observed: Clone + PartialEq {
    fn observed_at(&mut self) -> &mut u64;

    /// Whether it says the same, whenever it was observed.
    fn says_the_same_as(&self, other: &Self) -> bool {
        let mut other = other.clone();
        *other.observed_at() = *self.clone().observed_at();
        *self == other
    }
}

impl Observed for NodeFacts {
    fn observed_at(&mut self) -> &mut u64 {
        &mut self.observed_at
    }
}

impl Observed for NamespaceFacts {
    fn observed_at(&mut self) -> &mut u64 {
        &mut self.observed_at
    }
}

impl Observed for KnownPod {
    fn observed_at(&mut self) -> &mut u64 {
        &mut self.observed_at
    }
}
