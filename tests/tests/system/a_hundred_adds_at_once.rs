//! A hundred ADDs at once, each a process of its own.

use std::collections::BTreeSet;

use gingham_tests::cni::{Cni, address};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, bridged_with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

const CROWD: usize = 100;

fn join_at_once(node: &Node, network: &Value) -> BTreeSet<String> {
    let containers: Vec<_> = (0..CROWD).map(|number| node.container(&format!("c{number}"))).collect();
    let running: Vec<_> = containers.iter().map(|container| Cni::add(network, container).start()).collect();
    let addresses: BTreeSet<String> = running.into_iter().map(|call| address(&call.end().result())).collect();
    assert_eq!(addresses.len(), CROWD, "nobody shares an address");
    assert_eq!(kernel::leases("mynet").len(), CROWD);
    let leaving: Vec<_> = containers.iter().map(|container| Cni::del(network, container).start()).collect();
    for call in leaving {
        call.end().succeeds();
    }
    addresses
}

#[test]
fn each_gets_its_own_address() {
    let node = Node::new();
    let addresses = join_at_once(&node, &addresses_only());
    assert!(addresses.contains("10.7.0.2") && addresses.contains("10.7.0.101"), "no address is skipped: {addresses:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn each_gets_its_own_link() {
    let node = Node::new();
    join_at_once(&node, &bridged_with(json!({"ipMasq": true})));
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}
