//! From the API's objects to facts.

use std::collections::BTreeMap;
use std::sync::Arc;

use gingham_engine::attachment::{Fact, Labels, Owner};
use gingham_engine::facts::{self, KnownPod, NamespaceFacts, NodeFacts};
use gingham_kubernetes::ObjectKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// As an informer has them.
pub(super) type Objects = BTreeMap<ObjectKey, Arc<Value>>;

/// The kubelet's own identity of a static pod, which is the one that it gives to runtimes.
const STATIC_POD: &str = "kubernetes.io/config.mirror";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
    observed_at: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    namespace: String,
    name: String,
    uid: String,
    labels: Labels,
    annotations: Labels,
    owner_references: Vec<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    kind: String,
    name: String,
    uid: String,
    controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    service_account_name: Option<String>,
}

/// What of an object is read, with the time at which it was heard of. A pod has ten times as much.
pub(super) fn kept(object: &Value, now: u64) -> Value {
    let fields = ["namespace", "name", "uid", "labels", "annotations", "ownerReferences"];
    let metadata =
        fields.into_iter().filter_map(|field| Some((field.to_owned(), object["metadata"].get(field)?.clone())));
    json!({
        "metadata": metadata.collect::<Map<String, Value>>(),
        "spec": {"serviceAccountName": object["spec"]["serviceAccountName"]},
        "observedAt": now,
    })
}

/// None if it is no such object.
pub(super) fn pod(object: &Value) -> Option<((String, String), KnownPod)> {
    let Object { metadata, spec, observed_at } = read(object)?;
    let of_static = metadata.annotations.get(STATIC_POD).cloned();
    let owner = metadata.owner_references.into_iter().find(|reference| reference.controller);
    let owner = owner.map(|Reference { kind, name, uid, .. }| Owner { kind, name, uid });
    let known = KnownPod {
        observed_at,
        uids: std::iter::once(metadata.uid).chain(of_static).collect(),
        service_account: spec.service_account_name.filter(|name| !name.is_empty()).map_or(Fact::Absent, Fact::Known),
        owner: owner.map_or(Fact::Absent, Fact::Known),
        labels: facts::kept(metadata.labels),
        annotations: facts::kept(metadata.annotations),
    };
    Some(((metadata.namespace, metadata.name), known))
}

pub(super) fn namespace(object: &Value) -> Option<(String, NamespaceFacts)> {
    let Object { metadata, observed_at, .. } = read(object)?;
    let (labels, annotations) = (facts::kept(metadata.labels), facts::kept(metadata.annotations));
    Some((metadata.name, NamespaceFacts { observed_at, labels, annotations }))
}

pub(super) fn node(object: &Value) -> Option<(String, NodeFacts)> {
    let Object { metadata, observed_at, .. } = read(object)?;
    Some((metadata.name, NodeFacts { observed_at, labels: facts::kept(metadata.labels) }))
}

fn read(object: &Value) -> Option<Object> {
    Object::deserialize(object).ok().filter(|object| !object.metadata.name.is_empty())
}

/// Those of a kind, by name.
pub(super) fn all<K: Ord, T>(objects: &Objects, read: impl Fn(&Value) -> Option<(K, T)>) -> BTreeMap<K, T> {
    objects.values().filter_map(|object| read(object)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_controller() {
        let reference =
            |kind: &str, controller: Value| json!({"kind": kind, "name": "n", "uid": "u", "controller": controller});
        let of = |references: Value| {
            let metadata = json!({"namespace": "shop", "name": "web-0", "uid": "p", "ownerReferences": references});
            let (name, known) =
                pod(&kept(&json!({"metadata": metadata, "spec": {"serviceAccountName": "web"}}), 7)).unwrap();
            assert_eq!((name.0.as_str(), name.1.as_str(), known.observed_at), ("shop", "web-0", 7));
            assert_eq!(known.service_account, Fact::Known("web".to_owned()));
            known.owner
        };
        let both = of(json!([reference("Node", json!(false)), reference("StatefulSet", json!(true))]));
        assert_eq!(both, Fact::Known(Owner { kind: "StatefulSet".into(), name: "n".into(), uid: "u".into() }));
        assert_eq!(of(json!([reference("Node", json!(false))])), Fact::Absent);
        assert_eq!(of(json!([])), Fact::Absent);
    }

    #[test]
    fn a_static_pod_has_the_kubelets_identity_too() {
        let metadata =
            json!({"namespace": "kube-system", "name": "etcd", "uid": "api", "annotations": {STATIC_POD: "own"}});
        let (_, known) = pod(&kept(&json!({"metadata": metadata}), 0)).unwrap();
        assert!(known.is(Some("api")) && known.is(Some("own")) && !known.is(Some("other")));
        assert_eq!(known.service_account, Fact::Absent);
    }

    #[test]
    fn what_is_no_object_is_left_out() {
        let objects =
            [json!({"metadata": {}}), json!(7)].map(|object| (ObjectKey::default(), Arc::new(kept(&object, 0))));
        assert_eq!(all(&Objects::from(objects), namespace), BTreeMap::new());
    }
}
