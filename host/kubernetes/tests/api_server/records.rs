//! The five calls where nothing goes wrong.

use std::time::Instant;

use gingham_kubernetes::{Api, KubernetesStore, Resource, Selection, WithLeases};
use gingham_kubernetes_tests::programs;
use gingham_ownership::shared_store::{Call, Reply, SharedStore as _, Version};
use serde_json::{Value, json};

use crate::setup::{
    BLOCK, PATIENCE, api, block, call, control_plane, create, delete, found, get, list, member, network_record, store,
    update, value, written,
};

#[test]
fn records_are_objects() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let api = api(&plane, &plane.url());
    for (key, first, second) in [
        (BLOCK, block("node-1"), block("node-2")),
        ("blocks/fd00::-112", block("node-1"), block("node-2")),
        ("members/node-1.example", member(1), member(2)),
        ("config", network_record(), json!({"schema": 1, "grids": network_record()["grids"], "policy": "x", "new": 1})),
    ] {
        come_and_go(&mut store(&plane, "pods"), key, &first, &second);
    }
    lists_are_one_moment(&mut store(&plane, "lists"), &mut store(&plane, "list"));
    pages_are_one_list(&mut store(&plane, "pages"));
    people_make_networks(&api, &mut store(&plane, "made"));
    kubelets_show_life(&api, store(&plane, "alive"));
}

fn come_and_go(store: &mut KubernetesStore, key: &str, first: &Value, second: &Value) {
    assert_eq!(found(call(store, &get(key))), None, "{key}");
    assert_eq!(call(store, &update(key, first, Version(1))), Reply::Conflict(None), "{key}");
    assert_eq!(call(store, &delete(key, Version(1))), Reply::Conflict(None), "{key}");
    let created = written(call(store, &create(key, first)));
    assert_eq!(found(call(store, &get(key))), Some((first.clone(), created)), "{key}");
    assert_eq!(found(call(store, &create(key, second))), Some((first.clone(), created)), "{key}");
    // The same record is a write as well, and has another version.
    let again = written(call(store, &update(key, first, created)));
    assert!(again > created);
    assert_eq!(found(call(store, &update(key, second, created))), Some((first.clone(), again)), "{key}");
    assert_eq!(found(call(store, &delete(key, created))), Some((first.clone(), again)), "{key}");
    let updated = written(call(store, &update(key, second, again)));
    assert_eq!(found(call(store, &get(key))), Some((second.clone(), updated)), "{key}");
    assert_eq!(call(store, &delete(key, updated)), Reply::Deleted, "{key}");
    assert_eq!(call(store, &delete(key, updated)), Reply::Conflict(None), "{key}");
    assert_eq!(found(call(store, &get(key))), None, "{key}");
    // The same call as before, and no repetition of it.
    let recreated = written(call(store, &create(key, first)));
    assert!(recreated > updated, "{key}");
    assert_eq!(call(store, &delete(key, recreated)), Reply::Deleted, "{key}");
}

fn lists_are_one_moment(store: &mut KubernetesStore, other: &mut KubernetesStore) {
    let keys = [BLOCK, "blocks/10.32.10.0-24", "blocks/fd00::-112", "config", "members/node-1", "members/node-10"];
    for key in keys {
        let record = match key {
            "config" => network_record(),
            key if key.starts_with("members") => member(1),
            _ => block("node-1"),
        };
        written(call(store, &create(key, &record)));
        written(call(other, &create(key, &record)));
    }
    let (mut listed, at) = listed(call(store, &list()));
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), sorted);
    let latest = listed.iter().map(|(_, record)| record.version).max().unwrap();
    assert!(at > latest, "the other network's last record is later");
    listed.retain(|(key, _)| key.starts_with("members/"));
    let members = Call::List { prefix: "members/".to_owned() };
    let Reply::Listed { records, .. } = call(store, &members) else { panic!("not listed") };
    assert_eq!(records, listed);
}

fn pages_are_one_list(store: &mut KubernetesStore) {
    for number in 0..520 {
        let key = format!("blocks/10.{}.{}.0-24", 40 + number / 256, number % 256);
        written(call(store, &create(&key, &block("node-1"))));
    }
    let (records, _) = listed(call(store, &list()));
    assert_eq!(records.len(), 520);
    assert!(records.is_sorted_by(|(a, _), (b, _)| a < b));
}

fn listed(reply: Reply) -> (Vec<(String, gingham_ownership::shared_store::Record)>, Version) {
    match reply {
        Reply::Listed { records, at } => (records, at),
        other => panic!("not listed: {other:?}"),
    }
}

/// Without what members agree on it is no record, and the first member adds that.
fn people_make_networks(api: &Api, store: &mut KubernetesStore) {
    let made = json!({
        "apiVersion": "gingham.dev/v1alpha1", "kind": "AddressNetwork", "metadata": {"name": "made"},
        "spec": {"config": {"type": "gingham", "mtu": 1400}},
    });
    api.create(&Resource::networks(), &made, Instant::now() + PATIENCE).unwrap();
    assert_eq!(found(call(store, &get("config"))), None);
    let (records, _) = listed(call(store, &list()));
    assert!(records.is_empty(), "{records:?}");
    let created = written(call(store, &create("config", &network_record())));
    let (record, version) = found(call(store, &get("config"))).unwrap();
    assert_eq!((&record["policy"], version), (&json!("weave-split"), created));
    assert_eq!(record["config"], made["spec"]["config"]);
    assert!(matches!(call(store, &create("config", &network_record())), Reply::Conflict(Some(_))));
}

fn kubelets_show_life(api: &Api, mut store: KubernetesStore) {
    let beat = json!({"incarnation": 1, "beat": 1});
    assert!(matches!(call(&mut store, &create("life/node-8", &beat)), Reply::Refused(_)), "kubelets write it");
    let mut store = WithLeases::new(store, api.clone());
    let leases = Resource::node_leases();
    let within = || Instant::now() + PATIENCE;
    let mut life = || {
        let reply = store.call(&get("life/node-7"), within());
        found(reply).map(|(life, _)| life["beat"].clone())
    };
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}});
    // The controller manager makes it, and there is none here.
    let _ = api.create(&Resource::namespaces(), &namespace, within());
    assert_eq!(life(), None);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "node-7"},
        "spec": {"holderIdentity": "node-7", "leaseDurationSeconds": 40, "renewTime": "2026-11-29T00:00:00.000000Z"},
    });
    let mut lease = api.create(&leases, &lease, within()).unwrap();
    let first = life().unwrap();
    lease["metadata"]["labels"] = json!({"mine": "1"});
    let mut lease = api.replace(&leases, None, &lease, within()).unwrap();
    assert_eq!(life(), Some(first.clone()), "a label is no sign of life");
    lease["spec"]["renewTime"] = "2026-11-29T00:00:10.000000Z".into();
    api.replace(&leases, None, &lease, within()).unwrap();
    let second = life().unwrap();
    assert_ne!(first, second);
    api.delete(&leases, "node-7", None, within()).unwrap();
    let again = json!({"apiVersion": lease["apiVersion"], "kind": "Lease", "metadata": {"name": "node-7"}, "spec": lease["spec"]});
    api.create(&leases, &again, within()).unwrap();
    assert_ne!(life(), Some(second), "another kubelet's, at the same moment");
    let all = api.list(&leases, &Selection::default(), within()).unwrap();
    assert_eq!(all.items.len(), 1);
}

#[test]
fn an_object_that_another_program_made_wrong_is_reported_and_claims_its_block() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let api = api(&plane, &plane.url());
    let mut store = store(&plane, "pods");
    let wrong = |name: &str, network: &str, cidr: &str| {
        let nonce = "0123456789abcdef";
        let spec = json!({"network": network, "cidr": cidr, "owner": "x", "incarnation": 1, "nonce": nonce});
        let object = json!({
            "apiVersion": "gingham.dev/v1alpha1", "kind": "AddressBlock", "metadata": {"name": name}, "spec": spec,
        });
        api.create(&Resource::blocks(), &object, Instant::now() + PATIENCE).unwrap();
    };
    wrong("pods.10.32.5.0-24", "pods", "10.32.6.0/24");
    wrong("pods.10.32.7.0-24", "other", "10.32.7.0/24");
    wrong("pods.something", "pods", "10.32.8.0/24");
    wrong("podsy.10.32.9.0-24", "pods", "10.32.9.0/24");
    let (records, _) = listed(call(&mut store, &list()));
    let readable =
        |key: &str| records.iter().find(|(found, _)| found == key).map(|(_, record)| value(record).is_object());
    assert_eq!(readable(BLOCK), Some(false));
    assert_eq!(readable("blocks/10.32.7.0-24"), Some(false));
    assert_eq!(readable("unknown/something"), Some(false));
    assert_eq!(records.len(), 3, "{records:?}");
    let (text, _) = found(call(&mut store, &create(BLOCK, &block("node-1")))).unwrap();
    assert!(text.as_str().unwrap().contains("spec.cidr of the object pods.10.32.5.0-24"), "{text}");
}
