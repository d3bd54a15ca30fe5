//! What a configuration means, and what is said of one that means nothing. The sentences are the reference's where people
//! search for them.

use std::net::IpAddr;

use gingham_testing::{Network, network};
use serde_json::{Value, json};

fn problems(ipam: Value) -> Vec<String> {
    network(ipam).problems()
}

/// The first and last address and the gateway of each range, pool by pool.
fn ranges(network: &mut Network) -> Vec<Vec<String>> {
    let gateway = |gateway: Option<IpAddr>| gateway.map_or("none".to_owned(), |gateway| gateway.to_string());
    let pools = network.pools();
    let shown = pools.iter().map(|pool| {
        pool.ranges.iter().map(|part| format!("{} via {}", part.range, gateway(part.gateway))).collect::<Vec<_>>()
    });
    shown.collect()
}

#[test]
fn a_subnet_alone_gives_all_but_its_edges_and_its_first_address_is_the_gateway() {
    assert_eq!(ranges(&mut network(json!({"subnet": "10.1.0.0/24"}))), [["10.1.0.1-10.1.0.254 via 10.1.0.1"]]);
    assert_eq!(
        ranges(&mut network(json!({"subnet": "fd00::/120"}))),
        [["fd00::1-fd00::ff via fd00::1"]],
        "IPv6 knows no broadcast address"
    );
}

#[test]
fn sets_come_in_the_references_order() {
    let mut network = network(json!({
        "ranges": [[{"subnet": "10.3.0.0/24"}], [{"subnet": "fd03::/112", "gateway": "fd03::9"}]],
        "subnet": "10.2.0.0/24", "rangeStart": "10.2.0.5", "rangeEnd": "10.2.0.7", "gateway": "10.9.9.9",
        "ipRanges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.4.0.0/24"}]],
    }));
    assert_eq!(
        ranges(&mut network),
        [
            vec!["10.1.0.1-10.1.0.254 via 10.1.0.1", "10.4.0.1-10.4.0.254 via 10.4.0.1"],
            vec!["10.2.0.5-10.2.0.7 via 10.9.9.9"],
            vec!["10.3.0.1-10.3.0.254 via 10.3.0.1"],
            vec!["fd03::1-fd03::ffff via fd03::9"],
        ]
    );
}

#[test]
fn keys_match_in_any_case_null_and_blank_mean_the_default_unknown_keys_mean_nothing() {
    let mut network = network(json!({
        "SUBNET": "10.1.0.0/24", "RangeStart": "", "rangeend": null, "Gateway": "", "ranges": null, "routes": null,
        "resolvConf": "/etc/resolv.conf", "anything": [1],
    }));
    assert_eq!(ranges(&mut network), [["10.1.0.1-10.1.0.254 via 10.1.0.1"]]);
}

#[test]
fn edges_are_handed_out_where_they_are_named() {
    let ipam =
        json!({"subnet": "10.1.0.0/30", "rangeStart": "10.1.0.0", "rangeEnd": "10.1.0.3", "gateway": "10.1.0.1"});
    let mut network = network(ipam);
    network.add("a").expect("10.1.0.0/30");
    network.add("b").expect("10.1.0.2/30");
    network.add("c").expect("10.1.0.3/30");
    network.add("d").expect_refused("no IP addresses available in range set: 10.1.0.0-10.1.0.3");
}

#[test]
fn nothing_to_hand_out() {
    let expected = "no IP ranges specified: set `subnet` or `ranges`";
    for ipam in
        [json!({}), json!({"gateway": "10.1.0.1"}), json!({"ranges": []}), json!({"ranges": null, "subnet": ""})]
    {
        assert_eq!(problems(ipam.clone()), [expected], "{ipam}");
    }
}

fn each_has_its_problem<const CASES: usize>(cases: [(Value, &str); CASES]) {
    for (ipam, expected) in cases {
        assert_eq!(problems(ipam.clone()), [expected], "{ipam}");
    }
}

#[test]
fn a_bad_subnet_names_its_key() {
    each_has_its_problem([
        (json!({"subnet": "10.1.0.0"}), "subnet: invalid CIDR address: 10.1.0.0"),
        (json!({"subnet": "010.1.0.0/24"}), "subnet: invalid CIDR address: 010.1.0.0/24"),
        (json!({"subnet": "10.1.0.0/33"}), "subnet: invalid CIDR address: 10.1.0.0/33"),
        (json!({"subnet": "192.0.2.0/31"}), "subnet: Network 192.0.2.0/31 too small to allocate from"),
        (json!({"subnet": "fd00::/127"}), "subnet: Network fd00::/127 too small to allocate from"),
        (
            json!({"subnet": "192.0.2.5/24"}),
            "subnet: Network has host bits set. For a subnet mask of length 24 the network address is 192.0.2.0",
        ),
        (json!({"subnet": 7}), "subnet: found the number 7, expected a string"),
        (json!({"ranges": {}}), "ranges: found an object, expected a list"),
        (json!({"ranges": [[{"Subnet": true}]]}), "ranges[0][0].Subnet: found true, expected a string"),
    ]);
}

#[test]
fn a_bad_part_of_a_range_names_its_key() {
    each_has_its_problem([
        (
            json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.5"}),
            "rangeStart: RangeStart 10.2.0.5 not in network 10.1.0.0/24",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "rangeEnd": "fd00::5"}),
            "rangeEnd: RangeEnd fd00::5 not in network 10.1.0.0/24",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.8"}),
            "rangeStart: RangeStart 10.1.0.9 not in network 10.1.0.0/24 up to the range's last address 10.1.0.8",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.255"}),
            "rangeStart: RangeStart 10.1.0.255 not in network 10.1.0.0/24 up to the range's last address 10.1.0.254",
        ),
        (json!({"subnet": "10.1.0.0/24", "gateway": "10.1.0"}), "gateway: invalid IP address 10.1.0"),
        (
            json!({"subnet": "10.1.0.0/24", "gateway": "fd00::1"}),
            "gateway: fd00::1 must be of the same address family as 10.1.0.0/24",
        ),
    ]);
}

#[test]
fn a_bad_route_names_its_key() {
    each_has_its_problem([
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.1/8"}]}),
            "routes[1].dst: 10.0.0.1/8 has host bits set",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "::/0", "gw": "10.1.0.1"}]}),
            "routes[0].gw: 10.1.0.1 must be of the same address family as ::/0",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "routes": [{"gw": "10.1.0.1"}]}),
            "routes[0].dst: found nothing, but this key is required",
        ),
    ]);
}

#[test]
fn all_bad_ranges_are_told_at_once() {
    let found = problems(json!({
        "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "x"}, {}], [], [{"subnet": "10.1.0.1/24"}]],
        "routes": [{"dst": "10.0.0.1/8"}],
    }));
    assert_eq!(
        found,
        [
            "ranges[0][0].rangeStart: invalid IP address x",
            "ranges[0][1].subnet: is missing: every range needs its network, e.g. \"10.1.0.0/16\"",
            "ranges[1]: invalid range set 1: empty range set",
            "ranges[2][0].subnet: Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0",
            "routes[0].dst: 10.0.0.1/8 has host bits set",
        ]
    );
}

#[test]
fn sets_are_of_one_family_and_no_two_ranges_touch() {
    let cases = [
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "fd00::/64"}]]}),
            "ranges[0]: invalid range set 0: mixed address families",
        ),
        (
            json!({"ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "10.1.0.128/25"}]]}),
            "ranges[0]: invalid range set 0: subnets 10.1.0.1-10.1.0.254 and 10.1.0.129-10.1.0.254 overlap",
        ),
        (
            json!({"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.77"}]]}),
            "ranges[0]: range set 0 overlaps with 1",
        ),
    ];
    for (ipam, expected) in cases {
        assert_eq!(problems(ipam.clone()), [expected], "{ipam}");
    }
    let beside = json!({"ranges": [
        [{"subnet": "10.1.0.0/24", "rangeEnd": "10.1.0.99"}, {"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.100"}],
        [{"subnet": "10.2.0.0/24"}],
    ]});
    assert_eq!(problems(beside), [""; 0]);
}

#[test]
fn of_a_route_the_kernels_prefix_is_told() {
    let mut network = network(json!({"subnet": "10.1.0.0/24", "routes": [{"dst": "fd00::7/64"}]}));
    let routes = network.add("a").granted().answer.routes;
    assert_eq!(routes.iter().map(|route| route.destination.to_string()).collect::<Vec<_>>(), ["fd00::/64"]);
}
