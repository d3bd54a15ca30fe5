//! The policy as a component, in the engine of the plugin.

use gingham_testing::network;
use serde_json::json;

#[test]
fn each_namespace_has_a_pool_of_its_own() {
    let mut network = network(json!({"pools": {"team-a": "10.10.0.0/24", "team-b": "10.20.0.0/24"}}));
    network.add("web").pod("team-a", "web").expect("10.10.0.2/24");
    network.add("db").pod("team-b", "db").expect("10.20.0.2/24");
    network.add("api").pod("team-a", "api").expect("10.10.0.3/24");
}

#[test]
fn pods_of_other_namespaces_are_refused() {
    let mut network = network(json!({"pools": {"team-a": "10.10.0.0/24", "team-b": "10.20.0.0/24"}}));
    network.add("x").pod("guests", "x").expect_refused("namespace guests has no pool here; those with one: team-a, team-b");
    network.add("y").expect_refused("the runtime named no pod namespace");
    assert!(network.leases().is_empty());
}
