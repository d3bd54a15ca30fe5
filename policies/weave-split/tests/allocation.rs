//! Which address a container gets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::time::Duration;

use gingham_testing::{Network, network};
use serde_json::{Value, json};

fn alone(mut ipam: Value) -> Network {
    ipam["cooldown"] = json!("0");
    network(ipam)
}

#[test]
fn the_lowest_free_address_with_the_range_s_own_prefix() {
    let mut network = alone(json!({}));
    // 10.32.0.0 is the network's own address.
    network.add("c1").expect("10.32.0.1/12");
    network.add("c2").expect("10.32.0.2/12");
    network.del("c1");
    network.add("c3").expect("10.32.0.1/12");
    assert_eq!(network.claims().len(), 1);
}

#[test]
fn a_node_s_first_address_is_that_of_its_share_s_first_block() {
    let mut b = network(json!({})).node("b", ["a", "b", "c"]);
    b.add("c1").expect("10.37.86.0/12");
    assert_eq!(b.claims(), [("10.37.86.0/24".parse().unwrap(), "b".to_owned())]);
}

#[test]
fn addresses_come_from_claimed_blocks_alone() {
    let mut b = alone(json!({"range": "10.1.0.0/24", "blockSize": 30})).node("b", ["a", "b"]).without_claiming();
    b.add("c0").expect_refused("no IP addresses available in the blocks of 10.1.0.0/24 that this node holds");
    b.claim("a", "10.1.0.0/30");
    b.claim("b", "10.1.0.8/30");
    b.claim("b", "10.1.0.252/30");
    // The last address of all is the network's broadcast address; those at the edges of a block are like others.
    for last in [8, 9, 10, 11, 252, 253, 254] {
        b.add(&format!("c{last}")).expect(&format!("10.1.0.{last}/24"));
    }
    b.add("late").expect_refused("no IP addresses available");
    b.unclaim("10.1.0.0/30");
    b.claim("b", "10.1.0.0/30");
    for last in [1, 2, 3] {
        b.add(&format!("c{last}")).expect(&format!("10.1.0.{last}/24"));
    }
    b.add("late").expect_refused("no IP addresses available");
}

#[test]
fn a_node_goes_on_claiming_until_the_cluster_is_full() {
    let mut network = alone(json!({"range": "10.1.0.0/27", "blockSize": 30})).node("b", ["a", "b"]);
    let addresses: BTreeSet<_> = (0..30).map(|number| network.add(&format!("c{number}")).granted().address()).collect();
    assert_eq!(addresses.len(), 30, "all but the network's own two");
    assert_eq!(network.claims().len(), 8);
    network.add("late").expect_refused("no IP addresses available");
}

#[test]
fn a_resting_address_waits_as_long_as_a_block_can_be_claimed() {
    let mut network = network(json!({"range": "10.1.0.0/28", "blockSize": 30}));
    for last in [1, 2, 3] {
        network.add(&format!("c{last}")).expect(&format!("10.1.0.{last}/28"));
    }
    network.del("c2");
    network.add("next").expect("10.1.0.4/28");
    network.advance(Duration::from_mins(2));
    network.add("later").expect("10.1.0.2/28");
}

#[test]
fn requested_addresses_are_granted_from_own_blocks() {
    let mut b = network(json!({})).node("b", ["a", "b", "c"]).without_claiming();
    b.claim("b", "10.37.86.0/24");
    b.claim("a", "10.32.0.0/24");
    b.add("c1").requested("10.37.86.77").expect("10.37.86.77/12");
    let refused = |network: &mut Network, address: &str| network.add("c2").requested(address).expect_refused("");
    let because = |reason: &str| format!("policy weave-split: requested IP address {reason}");
    assert_eq!(refused(&mut b, "10.37.86.77"), because("10.37.86.77 is not available: it is leased"));
    assert_eq!(
        refused(&mut b, "10.32.0.9"),
        because("10.32.0.9 is not available: its block 10.32.0.0/24 belongs to node a")
    );
    assert_eq!(
        refused(&mut b, "10.37.87.9"),
        because(
            "10.37.87.9 is not available: its block 10.37.87.0/24 is unclaimed as far as this \
             node knows"
        )
    );
    assert_eq!(refused(&mut b, "192.0.2.1"), because("192.0.2.1 is not available: it is not in 10.32.0.0/12"));
    assert_eq!(refused(&mut b, "fd00::1"), because("fd00::1 is not available: it is not in 10.32.0.0/12"));
}

#[test]
fn round_robin_goes_on_after_the_last_address() {
    let mut network = alone(json!({"range": "10.1.0.0/28", "blockSize": 29, "pick": "roundRobin"})).without_claiming();
    network.claim("node-1", "10.1.0.0/29");
    for last in [1, 2, 3] {
        network.add(&format!("c{last}")).expect(&format!("10.1.0.{last}/28"));
    }
    network.del("c1");
    network.del("c2");
    for last in [4, 5, 6, 7, 1, 2] {
        network.add(&format!("d{last}")).expect(&format!("10.1.0.{last}/28"));
    }
    network.add("late").expect_refused("no IP addresses available");
    network.claim("node-1", "10.1.0.8/29");
    network.add("late").expect("10.1.0.8/28");
}

#[test]
fn random_addresses_are_drawn_from_the_seed_and_spread_over_the_blocks() {
    let draw = |seed| {
        let mut node = alone(json!({"pick": "random"})).without_claiming();
        node.claim("node-1", "10.32.0.0/24");
        node.claim("node-1", "10.47.255.0/24");
        node.set_seed(seed);
        (0..100).map(|number| node.add(&format!("c{number}")).granted().address()).collect::<Vec<_>>()
    };
    let drawn = draw(1);
    assert_eq!(drawn, draw(1));
    assert_ne!(drawn, draw(2));
    let upper = drawn.iter().filter(|address| address.to_string().starts_with("10.47.255.")).count();
    assert!((25..=75).contains(&upper), "{upper} of 100 from the upper block");
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn a_random_search_finds_the_last_free_address() {
    for pick in ["lowest", "roundRobin", "random"] {
        let mut node = alone(json!({"range": "10.1.0.0/28", "blockSize": 28, "pick": pick}));
        let addresses: BTreeSet<_> =
            (0..14).map(|number| node.add(&format!("c{number}")).granted().address()).collect();
        assert_eq!(addresses.len(), 14, "{pick}");
        node.add("late").expect_refused("no IP addresses available");
    }
}

#[test]
fn gateway_routes_and_name_resolution_reach_the_container() {
    let mut network = alone(json!({
        "range": "10.1.0.0/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.1.0.7"}],
    }));
    let dns = gingham_testing::Dns { nameservers: vec!["10.1.0.53".to_owned()], ..Default::default() };
    let grant = network.add("c1").resolv_conf(dns.clone()).expect("10.1.0.2/24");
    assert_eq!(grant.gateway(), Some("10.1.0.1".parse().unwrap()));
    assert_eq!(grant.answer.dns, Some(dns));
    let routes: Vec<String> = grant.answer.routes.iter().map(|route| route.destination.to_string()).collect();
    assert_eq!(routes, ["0.0.0.0/0", "10.9.0.0/16"]);
    assert_eq!(alone(json!({})).add("c1").granted().gateway(), None, "it is the host's bridge");
}

#[test]
fn a_subnet_gives_its_own_prefix_and_reserves_its_own_edges() {
    let mut inner = alone(json!({"subnet": "10.40.0.0/16"}));
    inner.add("c1").expect("10.40.0.1/16");
    inner.add("c2").requested("10.40.0.0").expect_refused("it is a network, broadcast or gateway address");
    // A network larger than the range: neither the range's own two addresses nor the network's are handed out.
    let mut outer = alone(json!({"range": "10.40.0.0/30", "blockSize": 30, "subnet": "10.32.0.0/12"}));
    outer.add("c1").expect("10.40.0.1/12");
    outer.add("c2").expect("10.40.0.2/12");
    outer.add("c3").expect_refused("no IP addresses available");
}

#[test]
fn ipv6_works_alike() {
    let mut b = alone(json!({"range": "fd00::/64"})).node("b", ["a", "b"]);
    b.add("c1").expect("fd00::8000:0:0:0/64");
    b.add("c2").expect("fd00::8000:0:0:1/64");
    let mut alone = alone(json!({"range": "fd00::/124", "blockSize": 126}));
    for last in 1..16 {
        alone.add(&format!("c{last}")).expect(&format!("fd00::{last:x}/124"));
    }
    alone.add("late").expect_refused("no IP addresses available");
}

#[test]
fn an_address_costs_little_fuel() {
    let mut node = network(json!({}));
    let grant = node.add("c1").granted();
    println!("one address: {:?}", grant.usage);
    assert!(grant.usage.fuel < 200_000, "{:?}", grant.usage);
}
