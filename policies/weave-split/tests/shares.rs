//! The shares, as the component tells them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use gingham_testing::{IpRange, Network, network};
use proptest::prelude::*;
use serde_json::{Value, json};

fn of(ipam: Value, members: &[&str]) -> Vec<String> {
    let mut network = network(ipam).node(members[0], members.iter().copied());
    members.iter().map(|member| shown(&network.share(member))).collect()
}

fn shown(share: &[IpRange]) -> String {
    share.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

const THREE: [&str; 3] = ["a", "b", "c"];

/// Weave Net before its version 1.6, and its documentation to this day.
#[test]
fn exact_by_address_is_the_division_of_weave_s_documentation() {
    assert_eq!(
        of(json!({"blockSize": 32}), &THREE),
        ["10.32.0.0-10.37.85.85", "10.37.85.86-10.42.170.170", "10.42.170.171-10.47.255.255"]
    );
}

/// Weave Net since.
#[test]
fn cidr_is_the_division_of_weave() {
    let cidr = json!({"divide": "cidr"});
    assert_eq!(
        of(cidr.clone(), &THREE),
        ["10.32.0.0-10.39.255.255", "10.40.0.0-10.43.255.255", "10.44.0.0-10.47.255.255"]
    );
    assert_eq!(
        of(cidr, &["a", "b", "c", "d", "e"]),
        [
            "10.32.0.0-10.35.255.255",
            "10.36.0.0-10.39.255.255",
            "10.40.0.0-10.43.255.255",
            "10.44.0.0-10.45.255.255",
            "10.46.0.0-10.47.255.255",
        ]
    );
}

#[test]
fn shares_are_whole_blocks() {
    assert_eq!(
        of(json!({}), &THREE),
        ["10.32.0.0-10.37.85.255", "10.37.86.0-10.42.170.255", "10.42.171.0-10.47.255.255"]
    );
    assert_eq!(of(json!({}), &["alone"]), ["10.32.0.0-10.47.255.255"]);
    assert_eq!(
        of(json!({"range": "fd00:10::/64"}), &["a", "b"]),
        ["fd00:10::-fd00:10::7fff:ffff:ffff:ffff", "fd00:10:0:0:8000::-fd00:10::ffff:ffff:ffff:ffff"]
    );
}

#[test]
fn a_subnet_is_divided_instead_of_the_range() {
    assert_eq!(
        of(json!({"subnet": "10.40.0.0/16"}), &["a", "b"]),
        ["10.40.0.0-10.40.127.255", "10.40.128.0-10.40.255.255"]
    );
    // As with Weave: the network is larger than what is handed out of it.
    assert_eq!(
        of(json!({"range": "10.32.0.0/13", "subnet": "10.32.0.0/12"}), &["a", "b"]),
        ["10.32.0.0-10.35.255.255", "10.36.0.0-10.39.255.255"]
    );
}

#[test]
fn who_comes_too_late_for_a_block_has_no_share() {
    for divide in ["exact", "cidr"] {
        let config = json!({"range": "10.0.0.0/29", "blockSize": 30, "divide": divide});
        assert_eq!(of(config, &THREE), ["10.0.0.0-10.0.0.3", "10.0.0.4-10.0.0.7", ""], "{divide}");
    }
}

#[test]
fn only_members_have_a_share() {
    let refused = network(json!({})).node("a", THREE).share_outcome("d").unwrap_err().to_string();
    assert_eq!(refused, "policy weave-split: d is not among the 3 members");
}

fn numbers(range: &IpRange) -> (u32, u32) {
    let number = |address| match address {
        std::net::IpAddr::V4(v4) => u32::from(v4),
        std::net::IpAddr::V6(_) => panic!("an IPv4 range"),
    };
    (number(range.first()), number(range.last()))
}

fn shares(network: &mut Network, members: &[String]) -> Vec<Option<(u32, u32)>> {
    members.iter().map(|member| network.share(member).first().map(numbers)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Disjoint, all of the range, of nearly equal size, whatever the order in which members are named.
    #[test]
    fn shares_are_fair(
        names in prop::collection::btree_set("[a-z0-9.-]{1,12}", 1..40),
        shuffled in any::<u64>(),
        bits in 0..8_u8,
    ) {
        let members: Vec<String> = names.into_iter().collect();
        let config = json!({"range": "10.9.0.0/16", "blockSize": 16 + bits});
        let mut network = network(config).node(&members[0], members.iter().map(String::as_str));
        let known = shares(&mut network, &members);
        let mut rotated = members.clone();
        rotated.rotate_left(usize::try_from(shuffled % members.len() as u64).unwrap());
        network.set_members(rotated.iter().map(String::as_str));
        prop_assert_eq!(&shares(&mut network, &members), &known);

        let (mut at, block) = (u32::from(std::net::Ipv4Addr::new(10, 9, 0, 0)), 1_u32 << (16 - bits));
        let mut sizes = Vec::new();
        for share in &known {
            let Some((first, last)) = share else { sizes.push(0); continue };
            prop_assert_eq!(*first, at);
            prop_assert_eq!((last - first + 1) % block, 0);
            sizes.push((last - first + 1) / block);
            at = last + 1;
        }
        prop_assert_eq!(at, u32::from(std::net::Ipv4Addr::new(10, 10, 0, 0)));
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
    }
}
