//! A name belongs to a machine.

use serde_json::json;

use crate::testbed::{Testbed, has_etcd};

#[test]
fn a_name_of_another_machine_is_refused() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(2, json!({"ipam": {"cluster": {"node": "the-same"}}}));
    testbed.add(1, "one");
    let (_, outcome) = testbed.start_add(2, "two").end();
    let fault = outcome.fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("the-same") && fault.msg.contains("takeover"), "{fault:?}");
    testbed.add(1, "three");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(1, json!({"ipam": {"cluster": {"address": "192.0.2.99"}}}));
    let (_, outcome) = testbed.start_add(1, "one").end();
    let fault = outcome.fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(
        fault.msg.starts_with("ipam.cluster.address: this machine does not have the address 192.0.2.99"),
        "{fault:?}"
    );
}

#[test]
fn the_range_is_the_same_for_all() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(2, json!({}));
    testbed.add(1, "one");
    let mut network = testbed.network(testbed.nodes.node(2));
    network["ipam"]["blockSize"] = json!(26);
    let outcome = testbed.on(2, move |node| gingham_tests::cni::Cni::add(&network, &node.container("two")).run());
    let fault = outcome.fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("/24") && fault.msg.contains("/26"), "{fault:?}");
}

#[test]
fn a_policy_that_divides_nothing_is_refused_with_a_cluster() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(1, json!({"ipam": {"policy": "host-local", "subnet": "10.9.0.0/24", "range": null}}));
    let (_, outcome) = testbed.start_add(1, "one").end();
    let fault = outcome.fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("cluster") && fault.msg.contains("weave-split"), "{fault:?}");
}
