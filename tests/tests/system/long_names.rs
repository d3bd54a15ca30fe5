//! Names as long as the specification's implementations take them: 255 bytes for a network and a container. What is longer is
//! refused in words before anything is made.

use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn network(length: usize, last: &str) -> Value {
    let name = format!("{}{last}", "n".repeat(length - 1));
    bridged_with(json!({"name": name, "ipMasq": true, "macspoofchk": true}))
}

/// A container with a long id; its namespace has a short name.
fn container(node: &Node, netns: &str, length: usize, last: &str) -> Container {
    Container { id: format!("{}{last}", "c".repeat(length - 1)), ..node.container(netns) }
}

#[test]
fn names_of_any_length_up_to_255_live_and_end() {
    let node = Node::new();
    for (number, (name, id)) in
        [(100, 72), (180, 64), (190, 64), (200, 64), (201, 1), (253, 64), (255, 255)].into_iter().enumerate()
    {
        let (network, c1) = (network(name, "x"), container(&node, &format!("c{number}"), id, "1"));
        let result = Cni::add(&network, &c1).run().result();
        Cni::check(&network, &c1, &result).run().succeeds();
        Cni::status(&network).run().succeeds();
        Cni::del(&network, &c1).run().succeeds();
        let name = network["name"].as_str().unwrap();
        assert_eq!(kernel::traces(name, "cni0"), [""; 0], "name {}, id {id}", name.len());
    }
}

/// Names and ids that differ only behind where an alias is cut.
#[test]
fn gc_keeps_long_names_apart() {
    let node = Node::new();
    let networks = [network(255, "1"), network(255, "2")];
    let containers = ["1", "2"].map(|last| container(&node, last, 255, last));
    for (number, network) in networks.iter().enumerate() {
        for c in &containers {
            Cni::add(network, c).interface(&format!("eth{number}")).run().result();
        }
    }
    containers[0].vanish();
    Cni::gc(&networks[0], &[(&containers[1].id, "eth0")]).run().succeeds();
    let leases = |network: &Value| kernel::leases(network["name"].as_str().unwrap()).len();
    assert_eq!((leases(&networks[0]), leases(&networks[1])), (1, 2));
    assert_eq!(containers[1].inside(kernel::links), ["eth0", "eth1"]);
}

#[test]
fn what_is_longer_is_refused_before_anything_is_made() {
    let node = Node::new();
    let fault = Cni::add(&network(256, "x"), &node.container("c1")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("256 bytes") && fault.msg.contains("255"), "{fault:?}");
    let long = container(&node, "c2", 256, "x");
    let fault = Cni::add(&network(8, "x"), &long).run().fault();
    assert_eq!(fault.code, 4, "{fault:?}");
    assert!(fault.msg.contains("256 bytes") && fault.msg.contains("255"), "{fault:?}");
    assert_eq!(kernel::links(), [""; 0]);
    Cni::del(&network(8, "x"), &long).run().succeeds();
}
