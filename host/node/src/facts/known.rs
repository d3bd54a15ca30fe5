//! From the API's objects to facts.

use std::collections::BTreeMap;

use gingham_engine::attachment::{Fact, Labels, Owner};
use gingham_engine::facts::{KnownPod, NamespaceFacts, NodeFacts, kept};
use serde::Deserialize;
use serde_json::Value;

/// The kubelet's own identity of a static pod, which is the one that it gives to runtimes.
const STATIC_POD: &str = "kubernetes.io/config.mirror";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
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

/// What an object is about: a pod's namespace and name, or a name.
pub(super) fn pod_name(object: &Value) -> Option<(String, String)> {
    let metadata = &object["metadata"];
    Some((metadata["namespace"].as_str()?.to_owned(), metadata["name"].as_str()?.to_owned()))
}

pub(super) fn name(object: &Value) -> Option<String> {
    object["metadata"]["name"].as_str().map(str::to_owned)
}

/// None if it is no such object.
pub(super) fn pod(object: Value, now: u64) -> Option<((String, String), KnownPod)> {
    let Object { metadata, spec } = read(object)?;
    let of_static = metadata.annotations.get(STATIC_POD).cloned();
    let owner = metadata.owner_references.into_iter().find(|reference| reference.controller);
    let owner = owner.map(|Reference { kind, name, uid, .. }| Owner { kind, name, uid });
    let known = KnownPod {
        observed_at: now,
        uids: std::iter::once(metadata.uid).chain(of_static).collect(),
        service_account: spec.service_account_name.filter(|name| !name.is_empty()).map_or(Fact::Absent, Fact::Known),
        owner: owner.map_or(Fact::Absent, Fact::Known),
        labels: kept(metadata.labels),
        annotations: kept(metadata.annotations),
    };
    Some(((metadata.namespace, metadata.name), known))
}

pub(super) fn namespace(object: Value, now: u64) -> Option<(String, NamespaceFacts)> {
    let metadata = read(object)?.metadata;
    let known =
        NamespaceFacts { observed_at: now, labels: kept(metadata.labels), annotations: kept(metadata.annotations) };
    Some((metadata.name, known))
}

pub(super) fn node(object: Value, now: u64) -> Option<(String, NodeFacts)> {
    let metadata = read(object)?.metadata;
    Some((metadata.name, NodeFacts { observed_at: now, labels: kept(metadata.labels) }))
}

fn read(object: Value) -> Option<Object> {
    serde_json::from_value::<Object>(object).ok().filter(|object| !object.metadata.name.is_empty())
}

/// Those of a list, by name.
pub(super) fn all<K: Ord, T>(items: Vec<Value>, read: impl Fn(Value) -> Option<(K, T)>) -> BTreeMap<K, T> {
    items.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_owner_is_the_controller() {
        let reference =
            |kind: &str, controller: Value| json!({"kind": kind, "name": "n", "uid": "u", "controller": controller});
        let of = |references: Value| {
            let metadata = json!({"namespace": "shop", "name": "web-0", "uid": "p", "ownerReferences": references});
            let (name, known) = pod(json!({"metadata": metadata, "spec": {"serviceAccountName": "web"}}), 7).unwrap();
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
        let (_, known) = pod(json!({"metadata": metadata}), 0).unwrap();
        assert!(known.is(Some("api")) && known.is(Some("own")) && !known.is(Some("other")));
        assert_eq!(known.service_account, Fact::Absent);
    }

    #[test]
    fn what_is_no_object_is_left_out() {
        assert_eq!(all(vec![json!({"metadata": {}}), json!(7)], |object| namespace(object, 0)), BTreeMap::new());
    }
}
