//! What the API server has of policies, members and this node, as watches show it. Members and the node are watched only if there
//! are policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_kubernetes::{Informer, InformerSettings, Resource, SILENCE, Selection, Signal};
use serde_json::{Value, json};

use super::object::{AllocationPolicy, Invalid};
use super::report::Member;
use crate::kubernetes::Kubernetes;

pub(super) struct Known {
    kubernetes: Kubernetes,
    pub(super) signal: Arc<Signal>,
    policies: Informer,
    around: Option<Around>,
}

struct Around {
    members: Informer,
    node: Informer,
}

/// At one moment.
pub(super) struct Snapshot {
    pub(super) policies: Vec<Result<AllocationPolicy, Invalid>>,
    pub(super) members: Vec<Member>,
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
        Self { kubernetes: kubernetes.clone(), signal, policies, around: None }
    }

    /// None until everything was listed once, and while there are no policies.
    pub(super) fn snapshot(&mut self) -> Option<Snapshot> {
        let policies = self.policies.cached()?.objects;
        if policies.is_empty() && self.around.is_none() {
            return None;
        }
        let around = self.around.get_or_insert_with(|| Around::start(&self.kubernetes, &self.signal));
        let members = around.members.cached()?.objects;
        let node = around.node.cached()?.objects;
        let labels = node.values().next().map(|node| serde_json::from_value(node["metadata"]["labels"].clone()));
        Some(Snapshot {
            policies: policies.values().map(|object| AllocationPolicy::read(object)).collect(),
            members: members.values().filter_map(|object| Member::read(object)).collect(),
            labels: labels.and_then(Result::ok).unwrap_or_default(),
        })
    }
}

impl Around {
    fn start(Kubernetes { api, node }: &Kubernetes, signal: &Arc<Signal>) -> Self {
        let settings = |resource, selection| InformerSettings { resource, selection, silence: SILENCE };
        let this = Selection::fields(&format!("metadata.name={node}"));
        Self {
            members: Informer::start(
                api.clone(),
                settings(Resource::members(), Selection::default()),
                |object| Some(of_member(&object)),
                signal,
            ),
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
