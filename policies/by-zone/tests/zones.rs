//! The policy as a component, in the engine of the plugin.

use gingham_testing::{Network, network};
use serde_json::json;

fn zones() -> Network {
    network(json!({
        "zones": {"a": "10.1.0.0/16", "b": "10.2.0.0/16"},
        "nodes": {"node-": "a", "node-b-": "b", "far-": "c"},
    }))
}

#[test]
fn the_zone_is_the_nodes_label() {
    let labels = [("topology.kubernetes.io/zone", "b")];
    let grant = zones().node_labels(labels).add("c1").expect("10.2.0.2/16");
    assert_eq!(grant.reason(), Some("the node is in zone b"));
    let mut unlabelled = zones().node_labels([("other", "x")]);
    assert_eq!(
        unlabelled.problems(),
        ["label: node node-1 has no label topology.kubernetes.io/zone; label it with its zone"]
    );
}

#[test]
fn where_labels_are_unknown_the_longest_beginning_of_the_name_decides() {
    zones().node("node-a-7", []).add("c1").expect("10.1.0.2/16");
    zones().node("node-b-7", []).add("c1").expect("10.2.0.2/16");
    let mut nowhere = zones().node("elsewhere", []);
    assert!(nowhere.problems()[0].starts_with("nodes: the labels of node elsewhere are unknown"));
    let mut far = zones().node("far-1", []);
    assert!(far.problems()[0].starts_with("zones: has no zone \"c\", where node far-1 is"));
}
