//! DEL succeeds however little is left, and ADD never takes an attachment over.

use gingham_tests::cni::{Cni, address};
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged, bridged_with, seed};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn gone(network: &Value) {
    assert_eq!(kernel::traces(network["name"].as_str().unwrap(), "cni0"), [""; 0]);
}

fn attached() -> (Node, Value, Container) {
    let node = Node::new();
    let (network, c1) = (seed(), node.container("c1"));
    Cni::add(&network, &c1).run().result();
    (node, network, c1)
}

#[test]
fn del_twice() {
    let (_node, network, c1) = attached();
    Cni::del(&network, &c1).run().succeeds();
    Cni::del(&network, &c1).run().succeeds();
    gone(&network);
}

#[test]
fn del_with_an_empty_netns() {
    let (_node, network, c1) = attached();
    Cni::del(&network, &c1).without_netns().run().succeeds();
    gone(&network);
}

#[test]
fn del_after_the_namespace_has_gone() {
    let (_node, network, c1) = attached();
    c1.vanish();
    Cni::del(&network, &c1).run().succeeds();
    gone(&network);
}

#[test]
fn del_of_a_container_never_seen() {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::del(&seed(), &c1).run().succeeds();
    assert!(!std::path::Path::new("/var/lib/gingham").exists(), "to free nothing, nothing is made");
    let c2 = node.container("c2");
    Cni::add(&seed(), &c1).run().result();
    Cni::del(&seed(), &c2).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.244.0.2"], "the others keep theirs");
}

#[test]
fn del_after_the_bridge_has_gone() {
    let (_node, network, c1) = attached();
    let mut host = gingham_net::netlink::Socket::<gingham_net::netlink::Route>::open().unwrap();
    gingham_net::link::delete(&mut host, gingham_net::link::Which::Name("cni0")).unwrap();
    Cni::del(&network, &c1).run().succeeds();
    gone(&network);
}

#[test]
fn del_after_the_policy_was_removed() {
    let node = Node::new();
    guest("honest").install();
    let network = bridged_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}));
    let c1 = node.container("c1");
    Cni::add(&network, &c1).run().result();
    std::fs::remove_dir_all("/var/lib/gingham/policies").unwrap();
    Cni::del(&network, &c1).run().succeeds();
    gone(&network);
}

#[test]
fn del_with_a_configuration_that_has_become_invalid() {
    let (_node, network, c1) = attached();
    for changes in [
        json!({"mtu": "huge", "isGateway": 7, "dns": []}),
        json!({"ipam": {"subnet": "10.244.0.0/99", "cooldown": "soon", "exclude": 7}}),
        json!({"cniVersion": "9.9.9"}),
        json!({"ipam": {"type": "no/plugin"}}),
    ] {
        let broken = gingham_tests::networks::with(network.clone(), changes.clone());
        Cni::add(&seed(), &c1).run();
        Cni::del(&broken, &c1).run().succeeds();
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "{changes}");
    }
}

#[test]
fn each_container_takes_its_masquerade_with_it() {
    let (node, network, c1) = attached();
    let c2 = node.container("c2");
    Cni::add(&network, &c2).run().result();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::masqueraded("mynet"), ["10.244.0.3"]);
    Cni::del(&network, &c2).run().succeeds();
    gone(&network);
}

#[test]
fn a_second_add_is_refused_and_the_first_stays() {
    let (_node, network, c1) = attached();
    let veth = kernel::links();
    let fault = Cni::add(&network, &c1).run().fault();
    assert_eq!(fault.code, 104);
    assert_eq!(
        fault.msg,
        "10.244.0.2 has been allocated to c1, duplicate allocation is not allowed; DEL interface eth0 of that container first"
    );
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.244.0.2"]);
    assert_eq!(kernel::links(), veth);
    kernel::reaches(&c1, "10.244.0.1".parse().unwrap());
}

#[test]
fn a_second_interface_of_the_same_container_is_another_attachment() {
    let (_node, network, c1) = attached();
    let result = Cni::add(&network, &c1).interface("eth1").run().result();
    assert_eq!(result["ip4"]["ip"], "10.244.0.3/16");
    Cni::del(&network, &c1).interface("eth1").run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.244.0.2"]);
}

#[test]
fn an_add_that_fails_in_the_kernel_takes_everything_back() {
    let node = Node::new();
    let (network, c1) = (bridged_with(json!({"ipMasq": true})), node.container("c1"));
    // The interface's name is taken: found only when the link is made.
    kernel::add_veth(&c1, "eth0", "elsewhere");
    let before = kernel::links();
    let fault = Cni::add(&network, &c1).run().fault();
    assert_eq!(fault.code, 100, "{fault:?}");
    assert!(fault.msg.contains("eth0"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    let left: Vec<String> = kernel::links().into_iter().filter(|link| !before.contains(link)).collect();
    assert_eq!(left, ["cni0"]);
    let c2 = node.container("c2");
    let next = address(&Cni::add(&network, &c2).run().result());
    assert_eq!(next, "10.7.0.3", "an address that was given back rests");
}

#[test]
fn errors_at_every_place_of_add_take_everything_back() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true, "ipam": {"cooldown": "0"}}));
    for place in PLACES_OF_ADD {
        let c1 = node.container(&format!("c-{place}"));
        let fault = Cni::add(&network, &c1).failpoint(&format!("{place}=error")).run().fault();
        assert!(fault.msg.contains(place), "{fault:?}");
        assert_eq!(kernel::traces("mynet", "cni0"), [""; 0], "after an error at {place}");
        assert_eq!(c1.inside(kernel::links), [""; 0], "after an error at {place}");
        Cni::del(&network, &c1).run().succeeds();
    }
    let c2 = node.container("c2");
    assert_eq!(address(&Cni::add(&bridged(), &c2).run().result()).split('.').count(), 4);
}

/// The failpoints of an ADD with a policy, in order.
const PLACES_OF_ADD: [&str; 9] = [
    "add.planned",
    "add.allocated",
    "add.bridge",
    "add.veth",
    "add.plugged",
    "add.gateway",
    "add.configured",
    "add.masqueraded",
    "add.done",
];
