//! Which address a container gets, as the reference hands them out.

use std::time::Duration;

use gingham_testing::{Dns, network};
use serde_json::json;

const AFTER_THE_REST: Duration = Duration::from_secs(121);

#[test]
fn the_gateway_is_skipped_and_addresses_come_in_turn() {
    let mut network = network(json!({"subnet": "10.1.0.0/29"}));
    let first = network.add("a").expect("10.1.0.2/29");
    assert_eq!(first.gateway(), Some("10.1.0.1".parse().unwrap()));
    network.add("b").expect("10.1.0.3/29");
    network.add("c").expect("10.1.0.4/29");
}

#[test]
fn a_freed_address_comes_back_when_its_turn_does() {
    let mut network = network(json!({"subnet": "10.1.0.0/29"}));
    network.add("a").expect("10.1.0.2/29");
    network.add("b").expect("10.1.0.3/29");
    assert_eq!(network.del("a"), ["10.1.0.2".parse::<std::net::IpAddr>().unwrap()]);
    network.advance(AFTER_THE_REST);
    for (container, address) in [("c", "10.1.0.4/29"), ("d", "10.1.0.5/29"), ("e", "10.1.0.6/29"), ("f", "10.1.0.2/29")]
    {
        network.add(container).expect(address);
    }
    network
        .add("g")
        .expect_refused("failed to allocate for range 0: no IP addresses available in range set: 10.1.0.1-10.1.0.6");
}

#[test]
fn the_last_one_handed_out_is_tried_last() {
    let mut network = network(json!({"subnet": "10.1.0.0/29", "cooldown": "0"}));
    network.add("a").expect("10.1.0.2/29");
    network.del("a");
    network.add("b").expect("10.1.0.3/29");
    for (container, address) in [("c", "10.1.0.4/29"), ("d", "10.1.0.5/29"), ("e", "10.1.0.6/29"), ("f", "10.1.0.2/29")]
    {
        network.add(container).expect(address);
    }
    network.del("f");
    network.add("g").expect("10.1.0.2/29");
}

#[test]
fn the_search_goes_on_in_the_next_range_of_the_set_and_begins_again() {
    let mut network = network(json!({"cooldown": "0", "ranges": [[
        {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.10", "rangeEnd": "10.1.0.11"},
        {"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.1", "rangeEnd": "10.2.0.2", "gateway": "10.2.0.254"},
    ]]}));
    network.add("a").expect("10.1.0.10/24");
    network.add("b").expect("10.1.0.11/24");
    let second = network.add("c").expect("10.2.0.1/24");
    assert_eq!(second.gateway(), Some("10.2.0.254".parse().unwrap()));
    network.del("a");
    network.add("d").expect("10.2.0.2/24");
    network.add("e").expect("10.1.0.10/24");
}

#[test]
fn one_address_of_each_set() {
    let mut network = network(json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}));
    network.add("a").expect("10.1.0.2/24 fd00:1::2/64");
    network.add("b").expect("10.1.0.3/24 fd00:1::3/64");
    assert_eq!(network.leases().len(), 4);
}

#[test]
fn each_set_has_a_turn_of_its_own() {
    let ipam = json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]], "cooldown": "0"});
    let mut network = network(ipam);
    network.add("a").requested("10.2.0.9").expect("10.1.0.2/24 10.2.0.9/24");
    network.del("a");
    network.add("b").expect("10.1.0.3/24 10.2.0.10/24");
}

#[test]
fn a_set_that_is_full_refuses_all() {
    let mut network = network(json!({"ranges": [
        [{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24", "rangeStart": "10.2.0.9", "rangeEnd": "10.2.0.9"}],
    ]}));
    network.add("a").expect("10.1.0.2/24 10.2.0.9/24");
    let memory = network.state("last/0");
    network.add("b").expect_refused("failed to allocate for range 1: no IP addresses available in range set: 10.2.0.9");
    assert_eq!(network.state("last/0"), memory, "a refusal changes nothing");
    assert_eq!(network.leases().len(), 2);
}

#[test]
fn a_requested_address_is_granted_and_the_turn_goes_on_behind_it() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.add("a").requested("10.1.0.77").expect("10.1.0.77/24");
    assert_eq!(network.state("last/0").as_deref(), Some("10.1.0.77"));
    network.add("b").expect("10.1.0.78/24");
}

#[test]
fn a_requested_address_that_somebody_has_is_refused() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.add("a").expect("10.1.0.2/24");
    network.add("b").requested("10.1.0.2").expect_refused(
        "failed to allocate for range 0: requested IP address 10.1.0.2 is not available in range set 10.1.0.1-10.1.0.254",
    );
    network.add("b").requested("10.1.0.1").expect_refused("requested ip 10.1.0.1 is subnet's gateway");
}

#[test]
fn a_requested_address_need_not_wait_for_the_end_of_its_rest() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.add("a").requested("10.1.0.9").expect("10.1.0.9/24");
    network.del("a");
    network.add("a").requested("10.1.0.9").expect("10.1.0.9/24");
}

#[test]
fn each_requested_address_goes_to_its_set_and_none_is_left_over() {
    let ipam = json!({"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00::/64"}], [{"subnet": "10.3.0.0/24"}]]});
    let mut network = network(ipam);
    network.add("a").requested("10.3.0.7").requested("fd00::7").expect("10.1.0.2/24 fd00::7/64 10.3.0.7/24");
    network
        .add("b")
        .requested("10.1.0.8")
        .requested("10.1.0.9")
        .requested("192.0.2.1")
        .expect_refused(
            "failed to allocate all requested IPs: 10.1.0.9 192.0.2.1: 10.1.0.9 is the second that was requested of range set \
             0, 192.0.2.1 is in no range",
        );
    assert_eq!(network.leases().len(), 3);
}

#[test]
fn an_attachment_gets_its_addresses_once() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.add("a").expect("10.1.0.2/24");
    network.add("a").expect_refused("10.1.0.2 has been allocated to a, duplicate allocation is not allowed");
    network.add("a").interface("eth1").expect("10.1.0.3/24");
    assert_eq!(network.leases().len(), 2);
}

#[test]
fn routes_and_name_resolution_come_with_the_address() {
    let mut network = network(json!({"subnet": "10.1.0.0/24", "resolvConf": "/etc/resolv.conf", "routes": [
        {"dst": "0.0.0.0/0"},
        {"DST": "10.0.0.0/8", "gw": "10.1.0.9", "mtu": 1400, "advmss": 1360, "priority": 7, "table": 9, "scope": 253},
        {"dst": "10.64.0.0/10", "gw": ""},
    ]}));
    let dns = Dns { nameservers: vec!["10.1.0.53".into()], domain: Some("lan".into()), ..Dns::default() };
    let answer = network.add("a").resolv_conf(dns.clone()).expect("10.1.0.2/24").answer;
    assert_eq!(answer.dns, Some(dns));
    let [default, full, blank] = &answer.routes[..] else { panic!("{:?}", answer.routes) };
    assert_eq!((default.destination.to_string().as_str(), default.gateway), ("0.0.0.0/0", None));
    assert_eq!(full.gateway, Some("10.1.0.9".parse().unwrap()));
    let numbers = [full.mtu, full.advmss, full.priority, full.table, full.scope];
    assert_eq!(numbers, [1400, 1360, 7, 9, 253].map(Some));
    assert_eq!(blank.gateway, None);
    assert_eq!(network.add("b").expect("10.1.0.3/24").answer.dns, None);
}

#[test]
fn the_hosts_rules_hold() {
    let mut network = network(json!({"subnet": "10.1.0.0/29", "exclude": ["10.1.0.2-10.1.0.4"]}));
    network.add("a").expect("10.1.0.5/29");
    network.del("a");
    network.add("b").expect("10.1.0.6/29");
    network.add("c").requested("10.1.0.3").expect_refused("not available");
    network.add("d").expect("10.1.0.5/29");
    assert!(network.log().iter().any(|line| line.message.contains("is in use again after")), "{:?}", network.log());
}

#[test]
fn garbage_in_memory_costs_the_turn_and_nothing_else() {
    let ipam = json!({"subnet": "10.1.0.0/24"});
    for garbage in [&b""[..], b"10.1.0", b"\xff\xfe", b"192.0.2.7", b"fd00::1"] {
        let mut network = network(ipam.clone());
        network.set_state("last/0", garbage);
        network.add("a").expect("10.1.0.2/24");
    }
}

#[test]
fn a_new_configuration_takes_the_turn_from_where_it_still_fits() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.add("a").requested("10.1.0.50").expect("10.1.0.50/24");
    network.reconfigure(json!({"subnet": "10.1.0.0/16"}));
    network.add("b").expect("10.1.0.51/16");
    network.reconfigure(json!({"subnet": "10.2.0.0/16"}));
    network.add("c").expect("10.2.0.2/16");
}

#[test]
fn a_large_network_costs_no_more_than_a_small_one() {
    let cost = |ipam| network(ipam).add("a").granted().usage;
    let (small, large) = (cost(json!({"subnet": "10.1.0.0/24"})), cost(json!({"subnet": "fd00::/8"})));
    assert_eq!(small.host_calls, large.host_calls);
    assert!(large.fuel < 2 * small.fuel, "{large:?} {small:?}");
}

/// As many ranges as a network may have (the engine's `MAX_RANGES`): adjacent, so that none can be told from overlapping
/// ones by a glance.
fn most_ranges(prefix_length: u8) -> Vec<serde_json::Value> {
    let size = 1_u32 << (32 - prefix_length);
    let network = |number: u32| std::net::Ipv4Addr::from(0x0a00_0000 + number * size);
    // Backwards, because sorted input is the easy case.
    (0..4096).rev().map(|number| json!({"subnet": format!("{}/{prefix_length}", network(number))})).collect()
}

#[test]
fn a_set_of_4096_ranges_is_served_to_its_last_address() {
    let ranges = most_ranges(30);
    // Of four addresses of a range one can be had: the others are its network, gateway and broadcast address.
    let mut network = network(json!({"cooldown": "0", "ranges": [ranges]}));
    network.add("first").expect("10.0.63.254/30");
    network.add("second").expect("10.0.63.250/30");
    network.reconfigure(json!({"cooldown": "0", "ranges": [ranges], "exclude": ["10.0.0.4-10.0.63.255"]}));
    network.add("last").expect("10.0.0.2/30");
    network.add("one too many").expect_refused("no IP addresses available in range set");
}

#[test]
fn sets_of_4096_ranges_in_all_are_served() {
    let ranges = most_ranges(24);
    let sets: Vec<&[serde_json::Value]> = ranges.chunks(128).collect();
    let mut network = network(json!({"ranges": sets}));
    assert_eq!(network.add("a").granted().addresses().len(), 32);
}

#[test]
fn the_turn_of_the_reference_goes_on_after_an_adoption() {
    let mut network = network(json!({"subnet": "10.1.0.0/24"}));
    network.adopt([("theirs", "10.1.0.7")], [(0, "10.1.0.9")]);
    network.add("a").expect("10.1.0.10/24");
    network.add("b").expect("10.1.0.11/24");
    network.adopt([], [(0, "10.1.0.9")]);
    network.add("c").expect("10.1.0.12/24");
    network.adopt([("more", "10.1.0.20")], [(0, "10.1.0.20"), (7, "10.1.0.3")]);
    network.add("d").expect("10.1.0.21/24");
}

#[test]
fn a_range_that_is_drained_gives_out_nothing_new_and_keeps_its_leases() {
    let ranges = |draining: bool| {
        json!({"ranges": [[
            {"subnet": "10.1.0.0/24", "draining": draining},
            {"subnet": "10.2.0.0/24"},
        ]]})
    };
    let mut network = network(ranges(false));
    network.add("a").expect("10.1.0.2/24");
    network.reconfigure(ranges(true));
    network.add("b").expect("10.2.0.2/24");
    network.add("c").requested("10.1.0.9").expect_refused("it is in a range that is drained");
    assert_eq!(network.leases().len(), 2);
    let room = &network.room()[0];
    assert_eq!((room.leased, room.draining, room.free), (2, 253, 252));
}
