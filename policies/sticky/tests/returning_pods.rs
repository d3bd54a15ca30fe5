//! The policy as a component, in the engine of the plugin.

use std::time::Duration;

use gingham_testing::{Network, network};
use serde_json::json;

fn shop() -> Network {
    network(json!({"subnet": "10.1.0.0/29", "keepSeconds": 3600, "cooldown": "120s"}))
}

#[test]
fn a_pod_comes_back_to_its_address_while_that_cools() {
    let mut network = shop();
    let grant = network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    assert_eq!(grant.reason(), Some("reserved for pod shop/web-0"));
    network.add("c2").pod("shop", "web-1").expect("10.1.0.3/29");
    network.del("c1");
    network.add("c3").pod("shop", "web-0").expect("10.1.0.2/29");
}

#[test]
fn a_pod_comes_back_after_others_took_turns() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.del("c1");
    network.advance(Duration::from_mins(10));
    for turn in 0..8 {
        let grant = network.add(&format!("job-{turn}")).pod("batch", "job-abc").granted();
        assert_ne!(grant.address().to_string(), "10.1.0.2");
        network.del(&format!("job-{turn}"));
        network.advance(Duration::from_secs(130));
    }
    network.add("c2").pod("shop", "web-0").expect("10.1.0.2/29");
}

#[test]
fn a_pod_comes_back_after_a_reboot() {
    let mut network = shop();
    network.add("c1").pod("batch", "job-abc").expect("10.1.0.2/29");
    network.add("c2").pod("shop", "web-0").expect("10.1.0.3/29");
    network.reboot();
    network.add("c3").pod("batch", "job-abd").expect("10.1.0.2/29");
    network.add("c4").pod("batch", "job-abe").expect("10.1.0.4/29");
    network.add("c5").pod("shop", "web-0").expect("10.1.0.3/29");
}

#[test]
fn a_reservation_ends_so_long_after_the_pod() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.advance(Duration::from_hours(2));
    network.del("c1");
    network.advance(Duration::from_secs(3599));
    network.add("c2").pod("batch", "job").expect("10.1.0.3/29");
    assert_eq!(network.reservations().len(), 1, "it was renewed when the pod ended");
    network.advance(Duration::from_secs(1));
    network.add("c3").pod("batch", "job").expect("10.1.0.2/29");
    assert!(network.reservations().is_empty());
}

#[test]
fn an_address_that_is_kept_cannot_be_had_by_name() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.del("c1");
    network.add("c2").pod("batch", "job").requested("10.1.0.2").expect_refused("it is reserved");
    network.add("c3").pod("shop", "web-0").expect("10.1.0.2/29");
}

#[test]
fn while_the_last_container_has_the_address_the_runtime_tries_again() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.add("c2").pod("shop", "web-0").expect_refused("still leased to its last container (try again in 1.0 s)");
}

#[test]
fn pods_of_other_owners_do_not_come_back() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").owner("ReplicaSet", "web", "u").expect("10.1.0.2/29");
    network.add("c2").pod("shop", "db").owner("StatefulSet", "db", "u").expect("10.1.0.3/29");
    network.add("c3").pod("shop", "once-1").without_owner().expect("10.1.0.4/29");
    let keys: Vec<String> = network.reservations().into_iter().map(|(key, ..)| key).collect();
    assert_eq!(keys, ["shop/db"]);
}

#[test]
fn an_address_that_the_configuration_takes_away_is_given_up() {
    let mut network = shop();
    network.add("c1").pod("shop", "web-0").expect("10.1.0.2/29");
    network.del("c1");
    network.reconfigure(json!({"subnet": "10.1.0.0/29", "exclude": ["10.1.0.2"], "cooldown": "120s"}));
    network.add("c2").pod("shop", "web-0").expect("10.1.0.3/29");
}
