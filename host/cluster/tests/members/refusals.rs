//! What would let two nodes hand out one address is refused, with the key that is at fault.

use gingham_cluster::{Claimed, Fault};
use serde_json::json;

use crate::nodes::Nodes;

fn text(fault: &Fault) -> String {
    fault.to_string()
}

#[test]
fn a_network_does_not_get_a_cluster_while_its_addresses_are_in_use() {
    let nodes = Nodes::new();
    let alone = nodes.node_with("a", None, &json!({}));
    assert!(matches!(alone.claimed().unwrap(), Claimed::All));
    alone.lease("c", "10.32.3.3");
    let member = nodes.node("a");
    let fault = member.ensure().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster.store: "), "{fault}");
    alone.end("c");
    member.ensure().unwrap();
    let fault = alone.claimed().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster: is missing"), "and it does not lose it: {fault}");
}

#[test]
fn another_name_or_another_kind_of_store_is_another_member() {
    let nodes = Nodes::new();
    let mut node = nodes.node("a");
    node.ensure().unwrap();
    let list = nodes.node_with("a", Some(json!({"store": "local", "members": ["a", "b"]})), &json!({}));
    assert!(text(&list.claimed().unwrap_err()).starts_with("ipam.cluster.store: "));
    node.settings.cluster.as_mut().unwrap().node = Some("b".to_owned());
    assert!(text(&node.claimed().unwrap_err()).starts_with("ipam.cluster.node: "));
}

#[test]
fn another_range_or_block_size_is_refused_with_both_named() {
    let nodes = Nodes::new();
    nodes.node("a").ensure().unwrap();
    for keys in [json!({"range": "10.32.0.0/21"}), json!({"blockSize": 25})] {
        let same_node = nodes.node_with("a", Some(nodes.store()), &keys);
        let fault = same_node.ensure().unwrap_err();
        assert!(text(&fault).contains("10.32.0.0/22 in blocks of /26"), "{fault}");
        let new_node = nodes.node_with("b", Some(nodes.store()), &keys);
        let fault = new_node.ensure().unwrap_err();
        assert!(text(&fault).contains("10.32.0.0/22 in blocks of /26"), "{fault}");
    }
    assert_eq!(nodes.owners(), ["10.32.0.0-26 a"], "nothing was claimed");
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let nodes = Nodes::new();
    let mut cluster = nodes.store();
    cluster["address"] = json!("192.0.2.77");
    let node = nodes.node_with("a", Some(cluster), &json!({}));
    let fault = node.ensure().unwrap_err();
    assert!(
        text(&fault).starts_with("ipam.cluster.address: this machine does not have the address 192.0.2.77"),
        "{fault}"
    );
    let node = nodes.node_with("a", Some(nodes.store()), &json!({"routing": "direct"}));
    let fault = node.ensure().unwrap_err();
    assert!(text(&fault).starts_with("ipam.cluster.address: is missing"), "{fault}");
    assert!(nodes.records().is_empty(), "nothing was claimed");
}
