//! Getting room and giving it back.

use gingham_cluster::{Claimed, Fault};
use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use serde_json::json;

use crate::nodes::{Nodes, deadline};

#[test]
fn a_node_joins_and_claims_in_its_own_share_when_it_has_no_room() {
    let nodes = Nodes::new();
    let a = nodes.node("a");
    assert!(matches!(a.claimed().unwrap(), Claimed::NotJoined));
    assert!(nodes.records().is_empty(), "nothing is asked before room is needed");
    assert_eq!(a.ensure().unwrap(), ["10.32.0.0/26"]);
    assert_eq!(a.ranges(), ["10.32.0.0-10.32.0.63"]);
    assert_eq!(a.ensure().unwrap(), [""; 0], "there is room now");
    let b = nodes.node("b");
    assert_eq!(b.ensure().unwrap(), ["10.32.2.0/26"], "the second half is the second member's");
    assert_eq!(nodes.owners(), ["10.32.0.0-26 a", "10.32.2.0-26 b"]);
}

#[test]
fn low_water_claims_ahead_and_a_full_block_is_followed_by_the_next() {
    let nodes = Nodes::new();
    let mut cluster = nodes.store();
    cluster["lowWater"] = json!(100);
    let a = nodes.node_with("a", Some(cluster), &json!({}));
    let ensured = a.cluster().claim_ahead(&a.policy(), deadline(), &mut Vec::new()).unwrap();
    assert_eq!(ensured.new.len(), 2, "two blocks of 64 have 100 free addresses: {ensured:?}");
    assert!(ensured.joined);
    a.fill();
    assert_eq!(a.ensure().unwrap(), ["10.32.0.128/26"]);
}

#[test]
fn a_full_share_borrows_and_a_full_cluster_says_so() {
    let nodes = Nodes::new();
    let (a, b) = (nodes.node("a"), nodes.node("b"));
    a.ensure().unwrap();
    b.ensure().unwrap();
    for _ in 0..14 {
        a.fill();
        assert_eq!(a.ensure().unwrap().len(), 1);
    }
    assert_eq!(nodes.owners().len(), 16, "all blocks are claimed");
    a.fill();
    let fault = a.ensure().unwrap_err();
    let Fault::Policy(IpamError::Refused { refusal: Refusal::Exhausted(_), .. }) = fault else { panic!("{fault:?}") };
    assert_eq!(b.ranges(), ["10.32.2.0-10.32.2.63"], "what is b's stayed b's");
}

#[test]
fn idle_blocks_go_back_as_long_as_enough_stays() {
    let nodes = Nodes::new();
    let a = nodes.node("a");
    a.ensure().unwrap();
    a.fill();
    a.ensure().unwrap();
    a.lease("c", "10.32.0.64");
    assert_eq!(a.cluster().idle().unwrap(), [], "one is full, in the other is a lease");
    a.end("c");
    assert_eq!(a.cluster().idle().unwrap(), [], "its address rests");
    a.forget_rests();
    let idle = a.cluster().idle().unwrap();
    assert_eq!(idle.len(), 1);
    let released = a.cluster().release(&a.policy(), &idle, deadline()).unwrap();
    assert_eq!(released.blocks, [], "without it nothing would be free");
    for number in 0..40 {
        a.end(&format!("10.32.0.{number}"));
    }
    a.forget_rests();
    let released = a.cluster().release(&a.policy(), &idle, deadline()).unwrap();
    assert_eq!(released.blocks, idle);
    assert_eq!(nodes.owners(), ["10.32.0.0-26 a"]);
    assert_eq!(a.ranges(), ["10.32.0.0-10.32.0.63"]);
}

#[test]
fn an_address_that_nobody_gets_is_no_room() {
    let nodes = Nodes::new();
    let a = nodes.node("a");
    a.ensure().unwrap();
    // All but the network's own address, which no policy can give.
    for number in 1..64 {
        a.lease(&number.to_string(), &format!("10.32.0.{number}"));
    }
    assert_eq!(a.ensure().unwrap(), ["10.32.0.64/26"]);
}

#[test]
fn status_counts_as_free_what_can_be_given() {
    let nodes = Nodes::new();
    let a = nodes.node_with("a", Some(nodes.store()), &json!({"exclude": ["10.32.0.32/30"], "gateway": "10.32.0.1"}));
    let free = || {
        let status = a.cluster().status(&a.policy(), deadline(), &mut Vec::new()).unwrap();
        let (_, known) = a.cluster().known(&a.policy()).unwrap();
        assert_eq!(known, status.usage);
        assert_eq!(status.usage.free, a.cluster().occupancy(&a.policy()).unwrap().free);
        status.usage.free
    };
    a.ensure().unwrap();
    // Without the network's own address, the gateway, and what is excluded.
    assert_eq!(free(), 64 - 2 - 4);
    for number in 2..64 {
        a.lease(&number.to_string(), &format!("10.32.0.{number}"));
    }
    assert_eq!(free(), 0);
    assert_eq!(a.ensure().unwrap(), ["10.32.0.64/26"], "none is free, so a block is claimed");
    assert_eq!(free(), 64);
}

#[test]
fn excluded_blocks_are_not_claimed() {
    let nodes = Nodes::new();
    let a = nodes.node_with("a", Some(nodes.store()), &json!({"exclude": ["10.32.0.0/25"]}));
    assert_eq!(a.ensure().unwrap(), ["10.32.0.128/26"]);
}
