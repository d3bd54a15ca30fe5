//! `ginghamctl explain`: why a container has its address, and why an address is not handed out.

use gingham_tests::cni::Cni;
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::Node;
use serde_json::{Value, json};

const CONFIG: &str = "/run/10-mynet.conf";

fn network() -> Value {
    let network = bridged_with(json!({"ipam": {"record": true, "exclude": ["10.7.0.9"]}}));
    std::fs::write(CONFIG, network.to_string()).unwrap();
    network
}

fn explained(subject: &str) -> Value {
    serde_json::from_str(&ctl(&["explain", CONFIG, subject, "--json"]).done()).unwrap()
}

/// The rules that a new answer with the address would not pass.
fn broken(explained: &Value) -> Vec<&str> {
    let rules = explained["addresses"][0]["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["passes"] == false).map(|rule| rule["rule"].as_str().unwrap()).collect()
}

#[test]
fn a_lease_is_explained_by_its_request_its_policy_and_the_rules() {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::add(&network(), &c1).args("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0").run().result();
    for subject in ["10.7.0.2", "shop/web-0", "web-0", "c1"] {
        let explained = explained(subject);
        let lease = &explained["lease"];
        assert_eq!((&lease["containerId"], &lease["addresses"]), (&json!("c1"), &json!(["10.7.0.2"])), "{explained}");
        assert_eq!(lease["policy"], explained["policy"], "the same policy decides now");
        assert!(lease["policy"].as_str().unwrap().starts_with("host-local@sha256:"), "{explained}");
        assert_eq!(explained["request"]["pod"]["name"], "web-0", "{explained}");
        assert_eq!(broken(&explained), ["lease"]);
        assert_eq!(explained["next"]["addresses"], json!(["10.7.0.3"]), "{explained}");
    }
    let text = ctl(&["explain", CONFIG, "shop/web-0"]).done();
    for words in ["container c1, interface eth0, pod shop/web-0", "K8S_POD_NAME=web-0", "seed ", "would get 10.7.0.3"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"], "nothing was changed");
}

#[test]
fn an_address_that_nobody_holds_is_explained_by_the_rule_it_breaks() {
    let node = Node::new();
    let network = network();
    let c1 = node.container("c1");
    let args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0";
    Cni::add(&network, &c1).args(args).run().result();
    Cni::del(&network, &c1).args(args).run().succeeds();
    assert_eq!(broken(&explained("10.7.0.2")), ["cooldown"]);
    assert_eq!(broken(&explained("10.7.0.9")), ["exclude"]);
    assert_eq!(broken(&explained("10.7.0.255")), ["pool", "special"]);
    assert_eq!(broken(&explained("10.8.0.1")), ["pool"]);
    assert_eq!(broken(&explained("10.7.0.50")), [""; 0]);
    let bridge = explained("10.7.0.1");
    assert_eq!(broken(&bridge), ["special", "node"], "the gateway is on the bridge: {bridge}");
    let gone = explained("shop/web-0");
    assert_eq!((&gone["lease"], &gone["addresses"]), (&Value::Null, &json!([])));
    assert!(ctl(&["explain", CONFIG, "10.7.0.2"]).done().contains("for another "), "the time left");
    let nobody = ctl(&["explain", CONFIG, "nosuch"]).done();
    assert!(nobody.contains("no pod and no container \"nosuch\" holds an address"), "{nobody}");
    let outside = ctl(&["explain", CONFIG, "10.8.0.1"]).done();
    assert!(!outside.contains("draining"), "it has no range: {outside}");
}

#[test]
fn what_is_ambiguous_or_unknown_is_said() {
    let node = Node::new();
    let network = network();
    for (id, namespace) in [("c1", "red"), ("c2", "blue")] {
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME=web");
        Cni::add(&network, &node.container(id)).args(&args).run().result();
    }
    let said = ctl(&["explain", CONFIG, "web"]).failed();
    assert!(said.contains("red/web") && said.contains("blue/web"), "{said}");
    assert_eq!(explained("red/web")["lease"]["containerId"], "c1");
    assert!(ctl(&["explain", "nosuch", "10.7.0.2"]).failed().contains("nosuch"));
}
