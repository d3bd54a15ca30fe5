//! What a policy keeps for a pod stays kept, through the cooldown and a reboot; people see it and why, and can end it.

use std::path::Path;

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::networks::addresses_only_with;
use gingham_tests::node::{Container, NETWORKS, Node};
use serde_json::{Value, json};

const NEXT_BOOT: &str = "11111111-2222-4333-8444-555555555555";

/// A node with the policy `sticky` installed.
fn node() -> Node {
    let node = Node::new();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = gingham_build::build_policy(&workspace.join("policies/sticky")).unwrap();
    std::fs::write("/run/sticky.wasm", built.bytes).unwrap();
    ctl(&["policy", "add", "/run/sticky.wasm"]).done();
    let mut file = network();
    file["cniVersion"] = json!("1.1.0");
    std::fs::write(Path::new(NETWORKS).join("10-mynet.conf"), file.to_string()).unwrap();
    node
}

fn network() -> Value {
    addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "sticky", "keepSeconds": 3600}}))
}

fn add(container: &Container, pod: &str) -> gingham_tests::cni::Outcome {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod}");
    Cni::add(&network(), container).args(&args).run()
}

#[test]
fn a_pod_comes_back_to_its_address_while_that_cools_and_a_log_line_says_why() {
    let node = node();
    let (c1, c2, c3) = (node.container("c1"), node.container("c2"), node.container("c3"));
    assert_eq!(address(&add(&c1, "web-0").result()), "10.7.0.2");
    Cni::del(&network(), &c1).run().succeeds();
    assert_eq!(address(&add(&c2, "other").result()), "10.7.0.3");
    let back = add(&c3, "web-0");
    assert_eq!(address(&back.result()), "10.7.0.2");
    assert!(back.stderr.contains("container c3: reserved for pod shop/web-0"), "{}", back.stderr);
    assert!(back.stderr.contains(": its last holder came back"), "{}", back.stderr);
}

#[test]
fn a_reservation_outlives_a_reboot() {
    let node = node();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    add(&c1, "other").result();
    assert_eq!(address(&add(&c2, "web-0").result()), "10.7.0.3");
    node.pretend_reboot(NEXT_BOOT);
    assert_eq!(address(&add(&node.container("c3"), "one").result()), "10.7.0.2");
    assert_eq!(address(&add(&node.container("c4"), "two").result()), "10.7.0.4");
    assert_eq!(address(&add(&node.container("c5"), "web-0").result()), "10.7.0.3");
}

#[test]
fn people_see_what_is_kept_and_why_and_can_end_it() {
    let node = node();
    let c1 = node.container("c1");
    add(&c1, "web-0").result();
    let shown = ctl(&["leases"]).done();
    assert!(shown.contains("REASON") && shown.contains("reserved for pod shop/web-0"), "{shown}");
    assert!(shown.contains("mynet: 10.7.0.2 is reserved for \"shop/web-0\" until 20"), "{shown}");
    let json: Value = serde_json::from_str(&ctl(&["leases", "--json"]).done()).unwrap();
    assert_eq!(json["leases"][0]["reason"], "reserved for pod shop/web-0");
    let reserved = &json["reservations"][0];
    assert_eq!((&reserved["address"], &reserved["key"]), (&json!("10.7.0.2"), &json!("shop/web-0")));

    let ended = ctl(&["release", "mynet", "--reservation", "shop/web-0"]).done();
    assert_eq!(ended, "10.7.0.2 is still leased to interface eth0 of container c1\n");

    let c2 = node.container("c2");
    add(&c2, "web-1").result();
    let ended = ctl(&["release", "mynet", "--reservation", "10.7.0.3", "--json"]).done();
    let json: Value = serde_json::from_str(&ended).unwrap();
    assert_eq!(json["leased"], json!([{"address": "10.7.0.3", "container": "c2", "interface": "eth0"}]));

    let c3 = node.container("c3");
    add(&c3, "web-2").result();
    Cni::del(&network(), &c3).run().succeeds();
    assert_eq!(ctl(&["release", "mynet", "--reservation", "shop/web-2"]).done(), "10.7.0.4\n");
    assert_eq!(ctl(&["release", "mynet", "--reservation", "10.7.0.4"]).done(), "", "it has none any more");
    let json: Value = serde_json::from_str(&ctl(&["leases", "--json"]).done()).unwrap();
    assert_eq!(json["reservations"], json!([]));
}
