//! Three nodes that know of each other take their addresses from equal thirds; each has a gateway of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use serde_json::json;

use crate::ground::{Ground, NETWORK, bridge_address, has_etcd, is_within, third};

/// All are members before anybody claims: shares are of the members there are.
fn three_members() -> Ground {
    let ground = Ground::new(3, json!({}));
    for node in 1..=3 {
        ground.add(node, &format!("first-{node}"));
    }
    ground
}

#[test]
fn nobody_gets_what_another_has() {
    if !has_etcd() {
        return;
    }
    let ground = three_members();
    let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
    let adds: Vec<_> = (0..30).map(|number| ground.start_add(number % 3 + 1, &format!("pod-{number}"))).collect();
    for add in adds {
        let (_, outcome) = add.end();
        let address = gingham_tests::cni::address(&outcome.result()).parse().unwrap();
        assert!(seen.insert(address), "{address} was given twice");
    }
    for node in 1..=3 {
        let gateway = ground.on(node, |_| bridge_address("cni0")).addr();
        assert!(seen.insert(gateway), "{gateway} is a gateway and a container's");
    }
}

#[test]
fn late_members_begin_in_their_own_third() {
    if !has_etcd() {
        return;
    }
    let ground = three_members();
    // The third member claimed when there were three.
    let address = ground.join(3, "pod");
    assert!(is_within(address, third(3)), "{address}");
}

#[test]
fn the_gateway_is_the_nodes_own_and_outlives_gc_and_reboot() {
    if !has_etcd() {
        return;
    }
    let ground = Ground::new(1, json!({}));
    let result = ground.add(1, "pod");
    let gateway = ground.on(1, |_| bridge_address("cni0"));
    assert_eq!(gateway.to_string(), "10.32.0.1/12");
    assert_eq!(result["ips"][0]["gateway"], "10.32.0.1");
    assert_eq!(result["ips"][0]["address"], "10.32.0.2/12");
    let network = ground.network(ground.site.node(1));
    let leases = ground.on(1, move |_| {
        Cni::gc(&network, &[]).run().succeeds();
        kernel::leases(NETWORK)
    });
    assert_eq!(leases, ["node/node-1 cni0 10.32.0.1"]);
    ground.on(1, |node| node.pretend_reboot("aaaaaaaa-0000-4000-8000-000000000000"));
    let again = ground.join(1, "after");
    assert_eq!(ground.on(1, |_| bridge_address("cni0")).to_string(), "10.32.0.1/12");
    assert_ne!(again.to_string(), "10.32.0.1");
}

#[test]
fn what_goes_within_the_range_keeps_its_sender() {
    if !has_etcd() {
        return;
    }
    let ground = Ground::new(1, json!({}));
    ground.add(1, "pod");
    assert_eq!(ground.on(1, |_| kernel::masqueraded(NETWORK)), ["10.32.0.2"]);
    ground.leave(1, "pod");
    let left = ground.on(1, |_| kernel::masqueraded(NETWORK));
    assert_eq!(left, [""; 0], "the node's own lease keeps no masquerade");
}
