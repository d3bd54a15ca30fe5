//! Members by a fixed list, without a store.

use gingham_cluster::{Claimed, Fault};
use gingham_engine::ledger::Ledger as _;
use serde_json::{Value, json};

use crate::nodes::{Node, Nodes};

fn list(members: &[&str]) -> Value {
    json!({"store": "local", "members": members})
}

fn settle(node: &Node) -> Result<(), Fault> {
    let mut ledger = node.ledger();
    node.cluster().settle_list(&node.policy(), &mut ledger, &mut Vec::new())?;
    ledger.commit().unwrap();
    Ok(())
}

#[test]
fn each_stays_in_its_own_share() {
    let nodes = Nodes::new();
    for (name, share) in [("a", "10.32.0.0-10.32.1.255"), ("b", "10.32.2.0-10.32.3.255")] {
        let node = nodes.node_with(name, Some(list(&["a", "b"])), &json!({}));
        assert!(matches!(node.claimed().unwrap(), Claimed::Unsettled));
        settle(&node).unwrap();
        assert_eq!(node.ranges(), [share]);
        assert_eq!(node.ensure().unwrap(), [""; 0], "there is no more to be had");
    }
    assert!(nodes.records().is_empty());
}

#[test]
fn a_list_may_change_until_an_address_is_in_use() {
    let nodes = Nodes::new();
    let one = nodes.node_with("a", Some(list(&["a", "b"])), &json!({}));
    settle(&one).unwrap();
    let other = nodes.node_with("a", Some(list(&["a", "b", "c", "d"])), &json!({}));
    assert!(matches!(other.claimed().unwrap(), Claimed::Unsettled));
    settle(&other).unwrap();
    assert_eq!(other.ranges(), ["10.32.0.0-10.32.0.255"]);
    other.lease("c", "10.32.0.1");
    let fault = settle(&one).unwrap_err();
    assert!(fault.to_string().starts_with("ipam.cluster.members: ") && fault.to_string().contains("etcd"), "{fault}");
    other.end("c");
    let fault = settle(&one).unwrap_err();
    assert!(fault.to_string().contains("in use"), "a resting address counts: {fault}");
    other.forget_rests();
    settle(&one).unwrap();
    assert_eq!(one.ranges(), ["10.32.0.0-10.32.1.255"]);
}

#[test]
fn a_node_that_is_not_listed_is_refused() {
    let nodes = Nodes::new();
    let mut node = nodes.node_with("a", Some(list(&["a", "b"])), &json!({}));
    node.settings.cluster.as_mut().unwrap().node = Some("c".to_owned());
    let fault = node.claimed().unwrap_err();
    assert!(fault.to_string().starts_with("ipam.cluster.members: \"c\""), "{fault}");
}

/// A lease store that was rebuilt, or was used without a list.
#[test]
fn addresses_from_before_the_list_must_lie_in_the_own_share() {
    let nodes = Nodes::new();
    let node = nodes.node_with("b", Some(list(&["a", "b"])), &json!({}));
    node.lease("c1", "10.32.2.7");
    settle(&node).unwrap();
    let node = nodes.node_with("c", Some(list(&["b", "c"])), &json!({}));
    node.lease("c1", "10.32.2.7");
    node.lease("c2", "10.32.0.9");
    node.end("c2");
    let fault = settle(&node).unwrap_err();
    assert!(fault.to_string().starts_with("ipam.cluster.members: cannot use this list: address 10.32.0.9 "), "{fault}");
    node.forget_rests();
    settle(&node).unwrap();
    assert_eq!(node.ranges(), ["10.32.2.0-10.32.3.255"]);
}
