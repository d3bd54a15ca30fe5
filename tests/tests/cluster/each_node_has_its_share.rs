//! Three nodes that know of each other take their addresses from equal thirds; each has a gateway of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use serde_json::json;

use crate::testbed::{NETWORK, Testbed, bridge_address, has_etcd, is_within, third};

/// All are members before anybody claims: shares are of the members there are.
fn three_members() -> Testbed {
    let testbed = Testbed::new(3, json!({}));
    for node in 1..=3 {
        testbed.add(node, &format!("first-{node}"));
    }
    testbed
}

#[test]
fn nobody_gets_what_another_has() {
    if !has_etcd() {
        return;
    }
    let testbed = three_members();
    let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
    let adds: Vec<_> = (0..30).map(|number| testbed.start_add(number % 3 + 1, &format!("pod-{number}"))).collect();
    for add in adds {
        let (_, outcome) = add.end();
        let address = gingham_tests::cni::address(&outcome.result()).parse().unwrap();
        assert!(seen.insert(address), "{address} was given twice");
    }
    for node in 1..=3 {
        let gateway = testbed.on(node, |_| bridge_address("cni0")).addr();
        assert!(seen.insert(gateway), "{gateway} is a gateway and a container's");
    }
}

#[test]
fn late_members_begin_in_their_own_third() {
    if !has_etcd() {
        return;
    }
    let testbed = three_members();
    // The third member claimed when there were three.
    let address = testbed.join(3, "pod");
    assert!(is_within(address, third(3)), "{address}");
}

#[test]
fn the_gateway_is_the_nodes_own_and_outlives_gc_and_reboot() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(1, json!({}));
    let result = testbed.add(1, "pod");
    let gateway = testbed.on(1, |_| bridge_address("cni0"));
    assert_eq!(gateway.to_string(), "10.32.0.1/12");
    assert_eq!(result["ips"][0]["gateway"], "10.32.0.1");
    assert_eq!(result["ips"][0]["address"], "10.32.0.2/12");
    let network = testbed.network(testbed.nodes.node(1));
    let leases = testbed.on(1, move |_| {
        Cni::gc(&network, &[]).run().succeeds();
        kernel::leases(NETWORK)
    });
    assert_eq!(leases, ["node/node-1 cni0 10.32.0.1"]);
    testbed.on(1, |node| node.pretend_reboot("aaaaaaaa-0000-4000-8000-000000000000"));
    let again = testbed.join(1, "after");
    assert_eq!(testbed.on(1, |_| bridge_address("cni0")).to_string(), "10.32.0.1/12");
    assert_ne!(again.to_string(), "10.32.0.1");
}

#[test]
fn what_goes_within_the_range_keeps_its_sender() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(1, json!({}));
    testbed.add(1, "pod");
    assert_eq!(testbed.on(1, |_| kernel::masqueraded(NETWORK)), ["10.32.0.2"]);
    testbed.leave(1, "pod");
    let left = testbed.on(1, |_| kernel::masqueraded(NETWORK));
    assert_eq!(left, [""; 0], "the node's own lease keeps no masquerade");
}
