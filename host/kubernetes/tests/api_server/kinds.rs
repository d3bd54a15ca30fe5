//! The definitions of the kinds: missing, of an older release, and what the present ones refuse and print.

use std::time::Instant;

use gingham_kubernetes::Resource;
use gingham_kubernetes_tests::{ControlPlane, Kubectl, programs};
use gingham_ownership::shared_store::{StoreFault, Version};
use serde_json::{Value, json};

use crate::setup::{
    BLOCK, PATIENCE, api, apply_kinds, block, call, control_plane, create, delete, get, list, member, network_record,
    refused, store, unknown, update, written,
};

/// Of a release whose blocks had no nonce, and that kept no unknown fields.
const WITHOUT_NONCE: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: addressblocks.gingham.dev}
spec:
  group: gingham.dev
  scope: Cluster
  names: {kind: AddressBlock, listKind: AddressBlockList, plural: addressblocks, singular: addressblock}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              network: {type: string}
              cidr: {type: string}
              owner: {type: string}
              incarnation: {type: integer}
";

#[test]
fn kinds_that_are_missing_or_old_are_reported() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = ControlPlane::start();
    let mut store = store(&plane, "pods");
    for (what, reply) in [
        ("get", call(&mut store, &get(BLOCK))),
        ("list", call(&mut store, &list())),
        ("create", call(&mut store, &create(BLOCK, &block("node-1")))),
        ("update", call(&mut store, &update(BLOCK, &block("node-1"), Version(1)))),
        ("delete", call(&mut store, &delete(BLOCK, Version(1)))),
    ] {
        let fault = refused(reply);
        let is_explained = fault.to_string().contains("apply the CustomResourceDefinitions");
        assert!(is_explained && matches!(fault, StoreFault::Unusable(_)), "{what}: {fault:?}");
    }

    plane.kubectl().apply(WITHOUT_NONCE);
    let api = api(&plane, &plane.url());
    let deadline = Instant::now() + PATIENCE;
    while api.get(&Resource::blocks(), "x", deadline).is_err() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let fault = unknown(call(&mut store, &create(BLOCK, &block("node-1"))));
    assert!(fault.to_string().contains("nonce"), "{fault}");
    let there = call(&mut store, &get(BLOCK));
    let (_, version) = crate::setup::found(there).expect("the API server did create it");
    let fault = unknown(call(&mut store, &update(BLOCK, &block("node-1"), version)));
    assert!(fault.to_string().contains("nonce"), "{fault}");

    apply_kinds(&plane);
    written(call(&mut store, &update(BLOCK, &block("node-1"), version)));
}

#[test]
fn kinds_refuse_what_is_wrong_and_read_well() {
    if !programs::has_control_plane() {
        return;
    }
    let plane = control_plane();
    let mut store = store(&plane, "pods");
    written(call(&mut store, &create("config", &network_record())));
    written(call(&mut store, &create(BLOCK, &block("node-1"))));
    written(call(&mut store, &create("members/node-1", &member(1))));
    refuse(&plane);
    print(plane.kubectl());
}

fn refuse(plane: &ControlPlane) {
    let block = |change: &dyn Fn(&mut Value)| {
        let mut spec = json!({
            "network": "pods", "cidr": "10.32.9.0/24", "owner": "n", "incarnation": 1, "nonce": "0123456789abcdef",
        });
        change(&mut spec);
        apply(plane.kubectl(), "AddressBlock", "pods.10.32.9.0-24", &spec)
    };
    assert_eq!(block(&|spec| spec["later"] = json!({"kept": true})), Ok(()));
    for (field, value) in [
        ("cidr", json!("10.32.999.0/24")),
        ("network", json!("Pods")),
        ("owner", json!("")),
        ("incarnation", json!(0)),
        ("nonce", json!("xyz")),
        ("nonce", Value::Null),
    ] {
        let refusal = block(&|spec| spec[field] = value.clone()).unwrap_err();
        assert!(refusal.contains(&format!("spec.{field}")), "{field} = {value}: {refusal}");
    }
    let policy = |spec: &Value| apply(plane.kubectl(), "AllocationPolicy", "sticky", spec);
    let digest = format!("sha256:{}", "0".repeat(64));
    let inline = json!({"inline": "AGFzbQ=="});
    for spec in [
        json!({"source": inline}),
        json!({"digest": "sha256:0", "source": inline}),
        json!({"digest": digest, "source": {}}),
        json!({"digest": digest, "source": {"inline": "AGFzbQ==", "image": "example.org/a:1"}}),
        json!({"digest": digest, "source": {"inline": "not base64!"}}),
        json!({"digest": digest, "source": {"volume": "relative"}}),
        json!({"digest": digest, "source": inline, "mode": "maybe"}),
        json!({"digest": digest, "source": inline, "rollout": {"maxUnavailable": 0}}),
    ] {
        let refusal = policy(&spec).unwrap_err();
        assert!(refusal.contains("spec."), "{spec}: {refusal}");
    }
    let rollout = json!({"nodeSelector": {"canary": "yes"}});
    assert_eq!(policy(&json!({"digest": digest, "source": inline, "rollout": rollout})), Ok(()));
    let stored = plane.kubectl().get(&["gpol", "sticky"]);
    assert_eq!((&stored["spec"]["mode"], &stored["spec"]["rollout"]["maxUnavailable"]), (&json!("enforce"), &json!(1)));
}

fn apply(kubectl: &Kubectl, kind: &str, name: &str, spec: &Value) -> Result<(), String> {
    let object = json!({"apiVersion": "gingham.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let applied = kubectl.with_file(&["apply", "--validate=false"], &object.to_string());
    if applied.is_success() { Ok(()) } else { Err(applied.refusal()) }
}

fn print(kubectl: &Kubectl) {
    let table = kubectl.run(&["get", "gingham", "--no-headers"]).stdout();
    for words in ["10.32.5.0/24", "node-1", "10.32.0.0/12", "weave-split", "member", "enforce"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    for (path, words) in [
        ("gblk", "A node creates the object to claim the block"),
        // Kubernetes 1.20 publishes no fields of what keeps unknown ones.
        ("gblk.spec", "The block and who holds it"),
        ("gmem.spec", "What other members rely on"),
        ("gnet.spec", "what all members have to agree on"),
        ("gpol.spec.source", "Exactly one of inline, image and volume is set"),
        ("gpol.spec.rollout.maxUnavailable", "at the same time"),
    ] {
        let text = kubectl.run(&["explain", path]).stdout();
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{path}: {text}");
    }
    for kind in ["gblk", "gmem", "gnet", "gpol"] {
        let text = kubectl.run(&["explain", kind, "--recursive"]).stdout();
        let described = kubectl.run(&["explain", &format!("{kind}.spec")]).stdout();
        assert!(text.contains("spec") && !described.contains("<empty>"), "{kind}: {described}");
    }
}
