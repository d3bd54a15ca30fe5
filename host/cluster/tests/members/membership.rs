//! Members that come back, leave, and are taken over.

use std::time::Duration;

use gingham_cluster::{Claimed, Fault};
use gingham_ownership::error::ClusterError;
use gingham_ownership::local::MembershipState;
use gingham_ownership::record::Membership;

use crate::nodes::{Nodes, deadline};

#[test]
fn after_a_reboot_the_store_is_asked_before_anything_is_handed_out() {
    let nodes = Nodes::new();
    let mut a = nodes.node("a");
    a.ensure().unwrap();
    a.boot = "boot-2".to_owned();
    assert!(matches!(a.claimed().unwrap(), Claimed::NotJoined));
    a.ensure().unwrap();
    assert_eq!(a.ranges(), ["10.32.0.0-10.32.0.63"], "the same block, taken back");
    assert_eq!(nodes.owners(), ["10.32.0.0-26 a"]);
}

#[test]
fn after_a_reboot_without_a_store_nothing_is_handed_out() {
    let nodes = Nodes::new();
    let mut a = nodes.node("a");
    a.ensure().unwrap();
    a.boot = "boot-2".to_owned();
    std::fs::rename(nodes.path().join("store"), nodes.path().join("away")).unwrap();
    let fault = a.ensure().unwrap_err();
    assert!(fault.to_string().contains("cluster.directory"), "{fault}");
    assert!(matches!(a.claimed().unwrap(), Claimed::NotJoined));
}

#[test]
fn a_store_that_is_away_does_not_matter_while_there_is_room() {
    let nodes = Nodes::new();
    let a = nodes.node("a");
    a.ensure().unwrap();
    std::fs::rename(nodes.path().join("store"), nodes.path().join("away")).unwrap();
    assert_eq!(a.ranges(), ["10.32.0.0-10.32.0.63"]);
    assert_eq!(a.ensure().unwrap(), [""; 0]);
}

#[test]
fn who_leaves_has_nothing_and_comes_back_only_when_told_to() {
    let nodes = Nodes::new();
    let (a, b) = (nodes.node("a"), nodes.node("b"));
    a.ensure().unwrap();
    a.lease("c", "10.32.0.1");
    let fault = a.cluster().leave(false, deadline()).unwrap_err();
    assert!(matches!(fault, Fault::InUse { count: 1, .. }), "{fault}");
    a.end("c");
    a.cluster().leave(false, deadline()).unwrap();
    let fault = a.claimed().unwrap_err();
    assert!(fault.to_string().contains("ginghamctl cluster join"), "{fault}");
    assert_eq!(b.ensure().unwrap(), ["10.32.0.0/26"], "what was a's is free");
    a.cluster().join(&a.policy(), Duration::from_secs(20)).unwrap();
    assert_eq!(a.ensure().unwrap().len(), 1);
}

#[test]
fn who_was_taken_over_notices_and_starts_anew() {
    let nodes = Nodes::new();
    let (a, b) = (nodes.node("a"), nodes.node("b"));
    a.ensure().unwrap();
    b.ensure().unwrap();
    let taken = b.cluster().takeover("a", true, Duration::from_secs(20)).unwrap();
    assert_eq!(taken.node, "a");
    let status = b.cluster().status(&b.policy(), deadline(), &mut Vec::new()).unwrap();
    let membership: Vec<_> = status.members.iter().map(|m| (m.name.as_str(), m.membership, m.blocks.len())).collect();
    assert_eq!(membership, [("a", Membership::Taken, 0), ("b", Membership::Member, 1)]);
    assert_eq!(status.usage.free, 64, "none of them is at an edge of the range");
    let synced = a.cluster().sync(deadline()).unwrap();
    assert!(matches!(synced.unwrap_err().error, ClusterError::Fenced { .. }));
    assert!(matches!(a.claimed().unwrap(), Claimed::NotJoined), "it let go of its blocks");
    assert_eq!(a.ensure().unwrap().len(), 1);
    let status = a.cluster().status(&a.policy(), deadline(), &mut Vec::new()).unwrap();
    assert_eq!(status.local.membership(), MembershipState::Member);
    assert!(status.problem.is_none());
}

#[test]
fn beats_go_on_and_are_seen() {
    let nodes = Nodes::new();
    let a = nodes.node("a");
    a.ensure().unwrap();
    let mut beat = gingham_ownership::beat::Beat::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        a.cluster().beat(&mut beat, deadline()).unwrap();
        seen.push(nodes.records()["life/a"]["value"].clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 3, "each is another one: {seen:?}");
}
