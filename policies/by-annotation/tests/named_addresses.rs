//! The policy as a component, in the engine of the plugin.

use std::time::Duration;

use gingham_testing::{Network, network};
use serde_json::json;

fn kept() -> Network {
    network(json!({"subnet": "10.1.0.0/27", "static": "10.1.0.0/28"}))
}

#[test]
fn a_pod_gets_the_address_that_it_names_or_none() {
    let mut network = kept();
    let grant =
        network.add("c1").pod("shop", "db-0").pod_annotation("gingham/address", "10.1.0.9").expect("10.1.0.9/27");
    assert_eq!(grant.reason(), Some("named by the annotation gingham/address"));
    let again = |network: &mut Network, address: &str, part: &str| {
        network.add("c2").pod("shop", "db-1").pod_annotation("gingham/address", address).expect_refused(part);
    };
    again(&mut network, "10.1.0.9", "10.1.0.9 is leased");
    again(&mut network, "10.2.0.9", "10.2.0.9 is in no pool");
    again(&mut network, "10.1.0.1", "annotation gingham/address: 10.1.0.1 is ");
    again(&mut network, "nine", "\"nine\" is not an IP address");
    network.del("c1");
    again(&mut network, "10.1.0.9", "10.1.0.9 is cooling");
    network.advance(Duration::from_secs(121));
    network.add("c2").pod("shop", "db-1").pod_annotation("gingham/address", "10.1.0.9").expect("10.1.0.9/27");
}

#[test]
fn others_get_none_of_the_kept_range() {
    let mut network = kept();
    network.add("c1").expect("10.1.0.16/27");
    network.add("c2").pod("shop", "web-1").pod_annotation("other", "x").expect("10.1.0.17/27");
    for number in 3..=15 {
        network.add(&format!("c{number}")).granted();
    }
    network.add("c16").expect_refused("no IP addresses available");
    network.add("c17").requested("10.1.0.5").expect("10.1.0.5/27");
}

#[test]
fn a_range_in_the_middle_is_passed_over() {
    let mut network = network(json!({"subnet": "10.1.0.0/29", "static": "10.1.0.4/31"}));
    for (container, address) in [("c2", "10.1.0.2/29"), ("c3", "10.1.0.3/29"), ("c6", "10.1.0.6/29")] {
        network.add(container).expect(address);
    }
    network.add("c7").expect_refused("no IP addresses available");
}

#[test]
fn a_pod_whose_annotations_are_unknown_is_refused() {
    let refused = kept().add("c1").pod("shop", "web-1").expect_refused("annotations are unknown");
    assert!(refused.contains("io.kubernetes.cri.pod-annotations"), "{refused}");
}

#[test]
fn the_kept_range_lies_within_the_subnet() {
    let mut network = network(json!({"subnet": "10.1.0.0/27", "static": "10.2.0.0/28"}));
    assert_eq!(network.problems(), ["static: 10.2.0.0/28 is not within subnet 10.1.0.0/27"]);
}
