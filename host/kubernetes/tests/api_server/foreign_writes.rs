//! What other programs and people write into the store's objects.

use std::time::Instant;

use gingham_kubernetes::{Api, KubernetesStore, Patch, Resource};
use gingham_kubernetes_tests::programs;
use gingham_ownership::shared_store::Reply;
use serde_json::{Value, json};

use crate::setup::{
    BLOCK, PATIENCE, api, block, call, control_plane, create, delete, found, get, object, store, update, written,
};

const NAME: &str = "pods.10.32.5.0-24";

#[test]
fn foreign_metadata_stays_and_strands_nothing() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let api = api(&plane, &plane.url());
    let mut store = store(&plane, "pods");
    a_label(&api, &mut store);
    a_finalizer(&api, &mut store);
}

fn patch(api: &Api, metadata: &Value) -> Value {
    let patch = json!({"metadata": metadata});
    api.patch(&Resource::blocks(), (NAME, None), (Patch::Merge, &patch), Instant::now() + PATIENCE).unwrap()
}

fn a_label(api: &Api, store: &mut KubernetesStore) {
    let created = written(call(store, &create(BLOCK, &block("node-1"))));
    patch(api, &json!({"labels": {"gingham.dev/network": null, "mine": "1"}, "finalizers": ["example.org/mine"]}));
    let (record, labelled) = found(call(store, &delete(BLOCK, created))).unwrap();
    assert_eq!(record, block("node-1"), "the release can see that the record is still its own");
    assert!(labelled > created);
    let updated = written(call(store, &update(BLOCK, &block("node-2"), labelled)));
    let metadata = object(api, NAME).unwrap()["metadata"].clone();
    assert_eq!(metadata["labels"], json!({"mine": "1"}));
    assert_eq!(metadata["finalizers"], json!(["example.org/mine"]));
    let Reply::Listed { records, .. } = call(store, &crate::setup::list()) else { panic!("not listed") };
    assert_eq!(records.len(), 1, "it is not found by its label");
    patch(api, &json!({"finalizers": null}));
    let (_, freed) = found(call(store, &delete(BLOCK, updated))).unwrap();
    assert_eq!(call(store, &delete(BLOCK, freed)), Reply::Deleted);
}

fn a_finalizer(api: &Api, store: &mut KubernetesStore) {
    written(call(store, &create(BLOCK, &block("node-1"))));
    patch(api, &json!({"finalizers": ["example.org/mine"]}));
    let (_, version) = found(call(store, &get(BLOCK))).unwrap();
    let (text, doomed) = found(call(store, &delete(BLOCK, version))).unwrap();
    assert!(text.as_str().unwrap().contains("example.org/mine"), "{text}");
    // It will go, so no node may take it up, and none may claim the block before.
    for reply in [
        call(store, &get(BLOCK)),
        call(store, &update(BLOCK, &block("node-1"), doomed)),
        call(store, &create(BLOCK, &block("node-2"))),
        call(store, &delete(BLOCK, doomed)),
    ] {
        let (found, version) = found(reply).unwrap();
        assert_eq!((found, version), (text.clone(), doomed));
    }
    patch(api, &json!({"finalizers": null}));
    assert_eq!(found(call(store, &get(BLOCK))), None);
    written(call(store, &create(BLOCK, &block("node-2"))));
}
