//! The policy as a component, in the engine of the plugin.

use std::collections::BTreeSet;

use gingham_testing::{Network, network};
use serde_json::json;

fn wide() -> Network {
    network(json!({"subnet": "10.1.0.0/16", "cooldown": "120s"}))
}

#[test]
fn a_pod_has_the_same_address_on_every_node_and_again_at_once() {
    let (mut one, mut other) = (wide().node("one", []), wide().node("other", []));
    let address = one.add("c1").pod("shop", "web-0").granted().address();
    assert_eq!(other.add("c7").pod("shop", "web-0").granted().address(), address);
    one.del("c1");
    let again = one.add("c2").pod("shop", "web-0").granted();
    assert_eq!(again.address(), address, "it cools, and the pod had it last");
    assert!(again.reason().unwrap().starts_with("the hash of \"shop/web-0\" leads to "));
}

#[test]
fn other_names_lead_elsewhere_and_collisions_to_the_next_free_one() {
    let mut network = network(json!({"subnet": "10.1.0.0/28"}));
    let all: BTreeSet<_> = (0..13).map(|n| network.add("c").interface(&format!("e{n}")).granted().address()).collect();
    assert_eq!(all.len(), 13, "all of one name");
    network.add("c").interface("more").expect_refused("no IP addresses available");
}
