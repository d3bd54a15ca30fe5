//! An address cools after a container had it. One that no container ever had is free as soon as the ADD has failed, however
//! often a runtime tries again.

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::store::Store;
use gingham_tests::cni::{Cni, Output, address};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, bridged_with, with};
use gingham_tests::node::{DATA, Node};
use serde_json::json;

/// Since when an address cools.
fn cooling_since(address: &str) -> Option<u64> {
    let store = Store::open_read_only(std::path::Path::new(DATA)).unwrap().unwrap();
    store.ledger("mynet").unwrap().cooling_since(address.parse().unwrap()).unwrap()
}

fn cooling() -> Vec<String> {
    let addresses = (1..=254).map(|last| format!("10.7.0.{last}"));
    addresses.filter(|address| cooling_since(address).is_some()).collect()
}

#[test]
fn retries_against_a_mismatched_bridge_leave_the_range_whole() {
    let node = Node::new();
    let other = bridged_with(json!({"name": "another", "ipam": {"subnet": "10.8.0.0/24"}}));
    Cni::add(&other, &node.container("another")).run().result();
    let network = bridged_with(json!({"ipMasq": true, "macspoofchk": true, "ipam": {"subnet": "10.7.0.0/28"}}));
    for number in 0..20 {
        let fault = Cni::add(&network, &node.container(&format!("c{number}"))).run().fault();
        assert!(fault.msg.contains("already has an IP address different from 10.7.0.1/28"), "{fault:?}");
    }
    assert_eq!((kernel::leases("mynet"), cooling()), (vec![], vec![]));
    let mended = with(network, json!({"bridge": "cni1"}));
    for number in 0..13 {
        let outcome = Cni::add(&mended, &node.container(&format!("d{number}"))).run();
        outcome.result();
        assert_eq!(outcome.stderr, "", "no address is used before its time");
    }
}

#[test]
fn an_address_cools_from_when_the_container_could_have_it() {
    let node = Node::new();
    let network = bridged_with(json!({"ipMasq": true}));
    let places = ["add.allocated", "add.bridge", "add.veth", "add.plugged", "add.gateway"];
    for place in places {
        Cni::add(&network, &node.container(place)).failpoint(&format!("{place}=error")).run().fault();
        assert_eq!(cooling(), [""; 0], "after an error at {place}");
    }
    for (number, place) in ["add.configured", "add.masqueraded", "add.done"].into_iter().enumerate() {
        Cni::add(&network, &node.container(place)).failpoint(&format!("{place}=error")).run().fault();
        assert_eq!(cooling().len(), number + 1, "after an error at {place}");
    }
    Cni::add(&network, &node.container("lost")).output(Output::Full).run().complaint();
    assert_eq!(cooling().len(), 4, "it was announced before the result was lost");
}

#[test]
fn a_failed_ipam_call_leaves_nothing_cooling() {
    let node = Node::new();
    Cni::add(&addresses_only(), &node.container("c1")).output(Output::Full).run().complaint();
    assert_eq!((kernel::leases("mynet"), cooling()), (vec![], vec![]));
}

#[test]
fn an_address_that_cooled_before_goes_on_cooling() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.7.0.2");
    Cni::del(&network, &c1).run().succeeds();
    let since = cooling_since("10.7.0.2").unwrap();
    let again = Cni::add(&network, &node.container("c2")).args("IP=10.7.0.2").failpoint("add.bridge=error");
    again.run().fault();
    assert_eq!(cooling_since("10.7.0.2"), Some(since), "its former holder's connections are as old as before");
}
