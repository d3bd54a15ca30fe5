//! The policy as a component, in the engine of the plugin.

use std::collections::BTreeSet;

use gingham_testing::network;
use serde_json::json;

#[test]
fn the_seed_decides_and_all_addresses_are_found() {
    let draw = |seed| network(json!({"subnet": "10.1.0.0/16"})).add("c").seed(seed).granted().address();
    assert_eq!(draw(1), draw(1));
    let drawn: BTreeSet<_> = (0..10).map(draw).collect();
    assert!(drawn.len() > 8, "{drawn:?}");

    let mut small = network(json!({"subnet": "10.1.0.0/28"}));
    let all: BTreeSet<_> = (0..13).map(|number| small.add(&format!("c{number}")).granted().address()).collect();
    assert_eq!(all.len(), 13);
    small.add("one too many").expect_refused("no IP addresses available");
}

#[test]
fn an_address_asked_for_by_name_is_granted() {
    network(json!({"subnet": "10.1.0.0/16"})).add("c").requested("10.1.7.7").expect("10.1.7.7/16");
}
