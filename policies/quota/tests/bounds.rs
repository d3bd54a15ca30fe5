//! The policy as a component, in the engine of the plugin.

use gingham_testing::network;
use serde_json::json;

#[test]
fn a_namespace_gets_so_many_addresses_and_others_are_not_bounded_by_it() {
    let mut network = network(json!({"subnet": "10.1.0.0/24", "quota": 2, "namespaces": {"shop": 3}}));
    for number in 1..=2 {
        network.add(&format!("a{number}")).pod("team", &format!("a{number}")).granted();
    }
    let refused = "namespace team has 2 addresses here, and its quota is 2";
    network.add("a3").pod("team", "a3").expect_refused(refused);
    for number in 1..=3 {
        network.add(&format!("s{number}")).pod("shop", &format!("s{number}")).granted();
    }
    network.add("s4").pod("shop", "s4").expect_refused("its quota is 3");
    network.add("none").granted();
}

#[test]
fn an_address_that_is_freed_counts_no_more_though_the_policy_is_not_told() {
    let mut network = network(json!({"subnet": "10.1.0.0/24", "quota": 1}));
    network.add("a1").pod("team", "a1").granted();
    network.add("a2").pod("team", "a2").expect_refused("quota");
    network.del("a1");
    network.add("a2").pod("team", "a2").granted();
    network.reboot();
    network.add("a3").pod("team", "a3").granted();
}
