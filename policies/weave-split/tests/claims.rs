//! Which block is claimed next, and what that costs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};

use gingham_testing::{Network, network};
use ipnet::IpNet;
use serde_json::{Value, json};

/// 16 blocks of 16 addresses for three nodes: a has 0 to 5, b 6 to 10, c 11 to 15.
fn small(me: &str) -> Network {
    network(json!({"range": "10.1.0.0/24", "cooldown": "0"})).node(me, ["a", "b", "c"])
}

fn block(number: u8) -> String {
    format!("10.1.0.{}/28", number * 16)
}

fn refusal(network: &mut Network) -> String {
    network.next_block_outcome(0).unwrap_err().to_string()
}

#[test]
fn the_own_share_comes_first_from_below() {
    let mut b = small("b");
    for number in [6, 7, 8, 9, 10] {
        assert_eq!(b.next_block().to_string(), block(number));
        b.claim("b", &block(number));
    }
    b.unclaim(&block(7));
    assert_eq!(b.next_block().to_string(), block(7), "what was given back is claimed again");
}

#[test]
fn a_block_that_another_took_is_passed_over() {
    let mut b = small("b");
    b.claim("c", &block(6));
    b.claim("gone", &block(7));
    assert_eq!(b.next_block().to_string(), block(8));
}

#[test]
fn a_full_share_borrows_where_most_is_left() {
    let mut b = small("b");
    (6..=10).for_each(|number| b.claim("b", &block(number)));
    (0..=2).for_each(|number| b.claim("a", &block(number)));
    // a has 3 blocks left, c 5.
    let mut borrowed = BTreeSet::new();
    for left in (1..=5).rev() {
        let next = b.next_block();
        if left > 3 {
            assert!((11..=15).any(|number| next.to_string() == block(number)), "{next} with {left} left of c's");
        }
        borrowed.insert(next);
        b.claim("b", &next.to_string());
    }
    assert_eq!(borrowed.len(), 5);
    while let Ok(proposal) = b.next_block_outcome(0) {
        b.claim("b", &proposal.block.to_string());
    }
    assert_eq!(b.claims().len(), 16, "nothing is left unclaimed");
    assert_eq!(refusal(&mut b), "policy weave-split: every block of 10.1.0.0/24 is claimed, by 3 members");
}

#[test]
fn borrowers_do_not_all_want_the_same_block() {
    let mut wanted: BTreeMap<IpNet, u32> = BTreeMap::new();
    let members: Vec<String> = (0..20).map(|number| format!("node-{number:02}")).collect();
    for me in &members {
        let names = members.iter().map(String::as_str).chain(["zz-idle"]);
        let mut node = network(json!({})).node(me, names);
        // Everything is claimed but the last share of 195 blocks.
        for number in 0..4096_u32 - 195 {
            let address = std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(10, 32, 0, 0)) + number * 256);
            node.claim("somebody", &format!("{address}/24"));
        }
        *wanted.entry(node.next_block()).or_default() += 1;
    }
    assert!(wanted.len() >= 15, "{wanted:?}");
}

#[test]
fn a_member_without_a_share_borrows_at_once() {
    let mut c = network(json!({"range": "10.0.0.0/29", "blockSize": 30})).node("c", ["a", "b", "c"]);
    let next = c.next_block().to_string();
    assert!(["10.0.0.0/30", "10.0.0.4/30"].contains(&next.as_str()), "{next}");
}

#[test]
fn blocks_that_are_excluded_as_a_whole_are_not_claimed() {
    let mut node = network(json!({"range": "10.1.0.0/24", "exclude": ["10.1.0.0/27", "10.1.0.40"]}));
    assert_eq!(node.next_block().to_string(), "10.1.0.32/28");
}

#[test]
fn only_blocks_of_the_subnet_are_claimed() {
    let mut node = network(json!({"subnet": "10.40.0.0/23"})).node("b", ["a", "b"]);
    assert_eq!(node.next_block().to_string(), "10.40.1.0/24");
    node.claim("b", "10.40.1.0/24");
    assert_eq!(node.next_block().to_string(), "10.40.0.0/24");
    node.claim("b", "10.40.0.0/24");
    assert!(refusal(&mut node).contains("every block of 10.40.0.0/23 is claimed"));
}

#[test]
fn ipv6_blocks_are_claimed_alike() {
    let mut b = network(json!({"range": "fd00::/64"})).node("b", ["a", "b"]);
    assert_eq!(b.next_block().to_string(), "fd00::8000:0:0:0/112");
}

/// A thousand nodes, and every other of 4,096 blocks claimed: as many runs of blocks as there can be. The worst is the
/// last node, whose own share is full, so that it looks at every other's.
#[test]
fn a_thousand_members_cost_a_small_part_of_the_default_fuel() {
    let members: Vec<String> = (0..1000).map(|number| format!("node-{number:04}.example.org")).collect();
    let me = members.last().unwrap();
    let mut node = network(json!({})).node(me, members.iter().map(String::as_str));
    let own = node.share(me)[0];
    for number in 0..4096_u32 {
        let address = std::net::Ipv4Addr::from(u32::from(std::net::Ipv4Addr::new(10, 32, 0, 0)) + number * 256);
        if number % 2 == 0 || own.contains(address.into()) {
            node.claim(&members[number as usize % 1000], &format!("{address}/24"));
        }
    }
    let usage = node.next_block_outcome(0).unwrap().usage;
    println!("borrowing among 1,000 members: {usage:?}");
    assert!(usage.fuel < 5_000_000, "{usage:?}: a tenth of the default bound");
    assert!(usage.host_calls < 20_000, "{usage:?}: a fifth of the bound");

    let first = network(json!({})).node(&members[0], members.iter().map(String::as_str)).next_block_outcome(0).unwrap();
    println!("the own share among 1,000 members: {:?}", first.usage);
    assert!(first.usage.fuel < 2_000_000, "{:?}", first.usage);
}

/// Nodes that join one after the other, each claiming until it has its share.
#[test]
fn a_filling_cluster_divides_equally() {
    let members = ["a", "b", "c", "d", "e"];
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let config: Value = json!({"range": "10.1.0.0/24"});
    for round in 0..3 {
        for me in members {
            let mut node = network(config.clone()).node(me, members);
            for (holder, blocks) in &held {
                for block in blocks {
                    node.claim(holder, block);
                }
            }
            let next = node.next_block();
            let own = node.share(me)[0];
            assert!(
                own.contains(next.network()) && own.contains(next.broadcast()),
                "round {round}: {me} borrows {next}"
            );
            held.entry(me.to_owned()).or_default().push(next.to_string());
        }
    }
    assert!(held.values().all(|blocks| blocks.len() == 3), "{held:?}");
}
