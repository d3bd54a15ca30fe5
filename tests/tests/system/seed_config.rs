//! The configuration of the README, to the letter, under the plugin name it uses.

use gingham_tests::cni::Cni;
use gingham_tests::kernel::{self, Beyond};
use gingham_tests::networks::seed;
use gingham_tests::node::Node;
use serde_json::json;

#[test]
fn a_container_joins_and_leaves() {
    let node = Node::new();
    let beyond = Beyond::v4();
    let before = kernel::links();
    let (network, c1) = (seed(), node.container("c1"));

    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(
        result,
        json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.244.0.2/16", "gateway": "10.244.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
            "dns": {},
        })
    );

    assert_eq!(c1.inside(|| kernel::addresses("eth0")), ["10.244.0.2/16"]);
    assert_eq!(c1.inside(|| kernel::routes("eth0")), ["0.0.0.0/0 via 10.244.0.1"]);
    assert_eq!(kernel::addresses("cni0"), ["10.244.0.1/16"]);
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.2"]);
    kernel::reaches(&c1, "10.244.0.1".parse().unwrap());
    assert_eq!(kernel::seen_from_beyond(&c1, &beyond), beyond.node, "the packet goes out masqueraded");

    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(c1.inside(kernel::links), [""; 0]);
    let left: Vec<String> = kernel::links().into_iter().filter(|link| !before.contains(link)).collect();
    assert_eq!(left, ["cni0"], "the bridge stays, and nothing else");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
}

#[test]
fn two_containers_talk_without_masquerade() {
    let node = Node::new();
    let (network, c1, c2) = (seed(), node.container("c1"), node.container("c2"));
    Cni::add(&network, &c1).run().result();
    Cni::add(&network, &c2).run().result();
    let seen = kernel::seen_by(&c2, "10.244.0.3".parse().unwrap(), &c1);
    assert_eq!(seen.to_string(), "10.244.0.2", "containers of one network see each other's own address");
}

#[test]
fn every_version_of_the_specification_gets_its_result() {
    let node = Node::new();
    for (number, version) in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"].into_iter().enumerate() {
        let mut network = seed();
        network["cniVersion"] = json!(version);
        let container = node.container(&format!("c{number}"));
        let result = Cni::add(&network, &container).run().result();
        assert_eq!(result["cniVersion"], version);
        let address = format!("10.244.0.{}/16", number + 2);
        match version {
            "0.1.0" | "0.2.0" => assert_eq!(result["ip4"]["ip"], address),
            _ => {
                assert_eq!(result["ips"][0]["address"], address);
                assert_eq!(result["ips"][0]["interface"], 2);
                assert_eq!(result["interfaces"][2]["name"], "eth0");
                assert_eq!(result["interfaces"][2]["sandbox"], container.netns.to_str().unwrap());
            }
        }
        let of_old = matches!(version, "0.3.0" | "0.3.1" | "0.4.0");
        assert_eq!(result["ips"][0]["version"], if of_old { json!("4") } else { json!(null) }, "{version}");
        Cni::del(&network, &container).run().succeeds();
    }
}

#[test]
fn check_accepts_what_add_made() {
    let node = Node::new();
    let mut network = seed();
    network["cniVersion"] = json!("1.0.0");
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).run().result();
    Cni::check(&network, &c1, &result).run().succeeds();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(Cni::check(&network, &c1, &result).run().fault().code, 3);
}
