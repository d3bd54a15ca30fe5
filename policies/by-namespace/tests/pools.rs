//! The policy as a component, in the engine of the plugin: `cargo test` builds and runs it.

use gingham_testing::{Network, network};
use serde_json::json;

fn two_teams() -> Network {
    network(json!({"pools": {"team-a": "10.10.0.0/24", "team-b": "10.20.0.0/24"}}))
}

#[test]
fn each_namespace_has_a_pool_of_its_own() {
    let mut network = two_teams();
    network.add("web").pod("team-a", "web").expect("10.10.0.2/24");
    network.add("db").pod("team-b", "db").expect("10.20.0.2/24");
    network.add("api").pod("team-a", "api").expect("10.10.0.3/24");
}

#[test]
fn pods_of_other_namespaces_are_refused() {
    let mut network = two_teams();
    let no_pool = "namespace guests has no pool here; those with one: team-a, team-b";
    network.add("x").pod("guests", "x").expect_refused(no_pool);
    network.add("y").expect_refused("the runtime named no pod namespace (K8S_POD_NAMESPACE)");
    assert!(network.leases().is_empty());
}

#[test]
fn with_a_default_pool_nobody_is_refused() {
    let mut network = network(json!({"pools": {"team-a": "10.10.0.0/24"}, "default": "fd00::/64"}));
    network.add("x").pod("guests", "x").expect("fd00::2/64");
    network.add("y").expect("fd00::3/64");
    network.add("z").pod("team-a", "z").expect("10.10.0.2/24");
}

#[test]
fn an_address_of_another_namespaces_pool_cannot_be_had_by_name() {
    let mut network = two_teams();
    network.add("a").pod("team-a", "a").requested("10.10.0.9").expect("10.10.0.9/24");
    network.add("b").pod("team-a", "b").requested("10.20.0.9").expect_refused("failed to allocate all requested IPs");
}

#[test]
fn a_full_pool_does_not_spill_into_another() {
    let mut network = network(json!({"pools": {"small": "10.10.0.0/30", "large": "10.20.0.0/16"}}));
    network.add("a").pod("small", "a").expect("10.10.0.2/30");
    network.add("b").pod("small", "b").expect_refused("no IP addresses available in pool small");
}

#[test]
fn a_configuration_without_pools_is_told_what_to_write() {
    let mut network = network(json!({"pools": {}}));
    assert_eq!(network.problems(), ["pools: names no namespace; use {\"NAMESPACE\": \"SUBNET\"}"]);
    network.reconfigure(json!({"pools": {"team-a": "10.10.0/24"}}));
    assert!(network.problems()[0].starts_with("pools.team-a: found \"10.10.0/24\""), "{:?}", network.problems());
}

#[test]
fn pools_can_follow_a_label_of_the_namespace() {
    let mut network = network(json!({"label": "team", "pools": {"blue": "10.10.0.0/24"}}));
    network.add("a").pod("shop", "a").namespace_label("team", "blue").expect("10.10.0.2/24");
    network
        .add("b")
        .pod("shop", "b")
        .namespace_label("team", "red")
        .expect_refused("namespaces with team=red have no pool");
    network.add("c").pod("shop", "c").namespace_label("other", "x").expect_refused("has no label team");
    network.add("d").pod("shop", "d").expect_refused("the label team of the pod's namespace is unknown");
}
