//! What would let two nodes hand out one address is refused, with the key that is at fault.

use gingham_cluster::{Claimed, Fault};
use serde_json::json;

use crate::testbed::Testbed;

fn text(fault: &Fault) -> String {
    fault.to_string()
}

#[test]
fn a_network_does_not_get_a_cluster_while_its_addresses_are_in_use() {
    let testbed = Testbed::new();
    let alone = testbed.node_with("a", None, &json!({}));
    assert!(matches!(alone.claimed().unwrap(), Claimed::All));
    alone.lease("c", "10.32.3.3");
    let member = testbed.node("a");
    let fault = member.ensure().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster.store: "), "{fault}");
    alone.end("c");
    member.ensure().unwrap();
    let fault = alone.claimed().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster: is missing"), "and it does not lose it: {fault}");
}

#[test]
fn another_name_or_another_kind_of_store_is_another_member() {
    let testbed = Testbed::new();
    let mut node = testbed.node("a");
    node.ensure().unwrap();
    let list = testbed.node_with("a", Some(json!({"store": "local", "members": ["a", "b"]})), &json!({}));
    assert!(text(&list.claimed().unwrap_err()).starts_with("ipam.cluster.store: "));
    node.settings.cluster.as_mut().unwrap().node = Some("b".to_owned());
    assert!(text(&node.claimed().unwrap_err()).starts_with("ipam.cluster.node: "));
}

#[test]
fn another_range_or_block_size_is_refused_with_both_named() {
    let testbed = Testbed::new();
    testbed.node("a").ensure().unwrap();
    for keys in [json!({"range": "10.32.0.0/21"}), json!({"blockSize": 25})] {
        let same_node = testbed.node_with("a", Some(testbed.store()), &keys);
        let fault = same_node.ensure().unwrap_err();
        assert!(text(&fault).contains("10.32.0.0/22 in blocks of /26"), "{fault}");
        let new_node = testbed.node_with("b", Some(testbed.store()), &keys);
        let fault = new_node.ensure().unwrap_err();
        assert!(text(&fault).contains("10.32.0.0/22 in blocks of /26"), "{fault}");
    }
    assert_eq!(testbed.owners(), ["10.32.0.0-26 a"], "nothing was claimed");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let testbed = Testbed::new();
    let mut cluster = testbed.store();
    cluster["address"] = json!("192.0.2.77");
    let node = testbed.node_with("a", Some(cluster), &json!({}));
    let fault = node.ensure().unwrap_err();
    assert!(
        text(&fault).starts_with("ipam.cluster.address: this machine does not have the address 192.0.2.77"),
        "{fault}"
    );
    let node = testbed.node_with("a", Some(testbed.store()), &json!({"routing": "direct"}));
    let fault = node.ensure().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster.address: is missing"), "{fault}");
    assert!(testbed.records().is_empty(), "nothing was claimed");
}
