//! What the API server has of policies, members and this node, as watches show it. Members and the node are watched only if there
//! are policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_kubernetes::{Informer, InformerSettings, Resource, SILENCE, Selection, Signal};
use serde_json::{Value, json};

use super::object::{AllocationPolicy, Invalid, Metadata, refuse_beyond, refuse_same_names};
use super::parsed::Parsed;
use super::report::Member;
use crate::kubernetes::Kubernetes;

pub(super) struct Known {
    kubernetes: Kubernetes,
    pub(super) signal: Arc<Signal>,
    policies: Informer,
    parsed: Parsed<Policy>,
    around: Option<Around>,
}

struct Around {
    members: Informer,
    parsed: Parsed<Option<Member>>,
    node: Informer,
}

/// An object, as far as it can be read.
pub(super) type Policy = Result<AllocationPolicy, Invalid>;

pub(super) fn metadata(policy: &Policy) -> &Metadata {
    match policy {
        Ok(policy) => &policy.metadata,
        Err(invalid) => &invalid.metadata,
    }
}

/// At one moment.
pub(super) struct Snapshot {
    pub(super) policies: Vec<Arc<Policy>>,
    pub(super) members: Vec<Arc<Option<Member>>>,
    /// Of this node.
    pub(super) labels: BTreeMap<String, String>,
}

impl Known {
    pub(super) fn new(kubernetes: &Kubernetes) -> Self {
        let signal = Arc::default();
        let settings =
            InformerSettings { resource: Resource::policies(), selection: Selection::default(), silence: SILENCE };
        let policies =
            Informer::start(kubernetes.api.clone(), settings, |object| Some(without_component(object)), &signal);
        let parsed = Parsed::new("AllocationPolicy", AllocationPolicy::read);
        Self { kubernetes: kubernetes.clone(), signal, policies, parsed, around: None }
    }

    /// Whether there was no policy so far.
    pub(super) fn is_unused(&self) -> bool {
        self.around.is_none() && self.policies.cached().is_none_or(|cached| cached.objects.is_empty())
    }

    pub(super) fn is_listed(&self) -> bool {
        self.policies.cached().is_some()
    }

    /// None until everything was listed once, and while there are no policies.
    pub(super) fn snapshot(&mut self) -> Option<Snapshot> {
        let policies = self.policies.cached()?.objects;
        if policies.is_empty() && self.around.is_none() {
            return None;
        }
        let around = self.around.get_or_insert_with(|| Around::start(&self.kubernetes, &self.signal));
        let node = around.node.cached()?.objects;
        let labels = node.values().next().map(|node| serde_json::from_value(node["metadata"]["labels"].clone()));
        around.parsed.follow(&around.members.cached()?.objects);
        self.parsed.follow(&policies);
        let mut policies: Vec<_> = self.parsed.all().cloned().collect();
        refuse_same_names(&mut policies);
        refuse_beyond(&mut policies);
        Some(Snapshot {
            policies,
            members: around.parsed.all().cloned().collect(),
            labels: labels.and_then(Result::ok).unwrap_or_default(),
        })
    }
}

impl Snapshot {
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter_map(|member| (**member).as_ref())
    }

    pub(super) fn readable(&self) -> impl Iterator<Item = &AllocationPolicy> {
        self.policies.iter().filter_map(|policy| (**policy).as_ref().ok())
    }
}

impl Around {
    fn start(Kubernetes { api, node, .. }: &Kubernetes, signal: &Arc<Signal>) -> Self {
        let settings = |resource, selection| InformerSettings { resource, selection, silence: SILENCE };
        let this = Selection::fields(&format!("metadata.name={node}"));
        Self {
            members: Informer::start(
                api.clone(),
                settings(Resource::members(), Selection::default()),
                |object| Some(of_member(&object)),
                signal,
            ),
            parsed: Parsed::new("NetworkMember", Member::read),
            node: Informer::start(
                api.clone(),
                settings(Resource::nodes(), this),
                |object| Some(of_node(&object)),
                signal,
            ),
        }
    }
}

/// A component in an object may have a megabyte. It is read when it is installed.
fn without_component(mut object: Value) -> Value {
    if let Some(inline) = object.pointer_mut("/spec/source/inline") {
        *inline = json!("");
    }
    object
}

fn of_member(object: &Value) -> Value {
    let (spec, status) = (&object["spec"], &object["status"]);
    json!({
        "metadata": {"name": object["metadata"]["name"]},
        "spec": {"node": spec["node"], "membership": spec["membership"]},
        "status": {"policies": status["policies"]},
    })
}

fn of_node(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({"metadata": {"name": metadata["name"], "labels": metadata["labels"]}})
}
