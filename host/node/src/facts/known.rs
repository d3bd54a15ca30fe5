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
    labels: Option<Labels>,
    annotations: Option<Labels>,
    static_uid: Option<String>,
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

/// What of an object is read, with the time at which it was heard of. A pod has ten times as much. Labels and annotations that
/// policies do not get are left out here already: each of thousands of pods may have 256 KiB of them.
pub(super) fn kept(object: &Value, now: u64) -> Value {
    let from = &object["metadata"];
    let fields = ["namespace", "name", "uid", "ownerReferences"];
    let mut metadata: Map<String, Value> =
        fields.into_iter().filter_map(|field| Some((field.to_owned(), from.get(field)?.clone()))).collect();
    for field in ["labels", "annotations"] {
        metadata.insert(field.to_owned(), json!(facts::kept(Labels::deserialize(&from[field]).unwrap_or_default())));
    }
    metadata.insert("staticUid".to_owned(), from["annotations"][STATIC_POD].clone());
    json!({
        "metadata": metadata,
        "spec": {"serviceAccountName": object["spec"]["serviceAccountName"]},
        "observedAt": now,
    })
}

/// None if it is no such object.
pub(super) fn pod(object: &Value) -> Option<((String, String), KnownPod)> {
    let Object { metadata, spec, observed_at } = read(object)?;
    let owner = metadata.owner_references.into_iter().find(|reference| reference.controller);
    let owner = owner.map(|Reference { kind, name, uid, .. }| Owner { kind, name, uid });
    let known = KnownPod {
        observed_at,
        uids: std::iter::once(metadata.uid).chain(metadata.static_uid).collect(),
        service_account: spec.service_account_name.filter(|name| !name.is_empty()).map_or(Fact::Absent, Fact::Known),
        owner: owner.map_or(Fact::Absent, Fact::Known),
        labels: metadata.labels,
        annotations: metadata.annotations,
    };
    Some(((metadata.namespace, metadata.name), known))
}

pub(super) fn namespace(object: &Value) -> Option<(String, NamespaceFacts)> {
    let Object { metadata, observed_at, .. } = read(object)?;
    let Metadata { name, labels, annotations, .. } = metadata;
    Some((name, NamespaceFacts { observed_at, labels, annotations }))
}

pub(super) fn node(object: &Value) -> Option<(String, NodeFacts)> {
    let Object { metadata, observed_at, .. } = read(object)?;
    Some((metadata.name, NodeFacts { observed_at, labels: metadata.labels }))
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
    fn what_is_too_large_for_policies_is_not_kept_in_memory_either() {
        let large = json!({"note": "x".repeat(256 << 10), STATIC_POD: "own"});
        let kept = kept(&json!({"metadata": {"name": "web-0", "labels": {"app": "web"}, "annotations": large}}), 0);
        let (_, known) = pod(&kept).unwrap();
        assert_eq!((known.annotations.as_ref(), known.labels.as_ref().unwrap()["app"].as_str()), (None, "web"));
        assert!(known.is(Some("own")), "a static pod has two identities");
        assert!(kept.to_string().len() < 1000, "{} bytes", kept.to_string().len());
        assert!(
            pod(&super::kept(&json!({"metadata": {"name": "web-1"}}), 0)).unwrap().1.annotations.unwrap().is_empty()
        );
    }

    #[test]
    fn what_is_no_object_is_left_out() {
        let objects =
            [json!({"metadata": {}}), json!(7)].map(|object| (ObjectKey::default(), Arc::new(kept(&object, 0))));
        assert_eq!(all(&Objects::from(objects), namespace), BTreeMap::new());
    }
}
