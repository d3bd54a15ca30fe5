//! Joining: names, boots, clones and lost disks.

use super::{block, claim, cluster, grids, identity, join, member, owner, run};
use crate::claim::ClaimError;
use crate::error::ClusterError;
use crate::grid::Grid;
use crate::join::Join;
use crate::leave::Leave;
use crate::local::{LocalState, MembershipState};
use crate::sync::Sync;
use crate::takeover::{Observe, Takeover};

#[test]
fn the_first_member_writes_the_grid_and_another_grid_is_refused() {
    let (mut records, _) = cluster(&["a"]);
    let mut other = LocalState::new("b", "d");
    let coarser = vec![Grid::new(block("10.32.0.0/22"), 23).unwrap()];
    let refused = run(&mut Join::new(identity("m", "x"), coarser, "p"), &mut other, &mut records).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("10.32.0.0/22 in blocks of /24, and the configuration of this node has"), "{text}");
    assert_eq!(other.membership(), MembershipState::New);
    assert!(records.get("members/b").is_none());
}

#[test]
fn a_name_of_another_machine_is_refused_until_it_is_taken_over() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let mut imposter = LocalState::new("a", "another disk");
    let mut attempt = Join::new(identity("another machine", "x"), grids(), "p");
    let refused = run(&mut attempt.clone(), &mut imposter, &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::NameTaken { .. }), "{refused}");
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    run(&mut Takeover::ordered(observation, false), &mut locals[1], &mut records).unwrap();
    assert_eq!(run(&mut attempt, &mut imposter, &mut records).unwrap().incarnation, 2);
}

#[test]
fn a_reboot_makes_a_new_incarnation_and_writes_the_blocks_anew() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut local = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    assert_eq!(
        (local.membership(), local.held().count()),
        (MembershipState::Rebooted, 0),
        "nothing is served before it joins"
    );
    assert!(matches!(claim(&mut local, &mut records), Err(ClaimError::Cluster(ClusterError::NotMember { .. }))));
    let joined = join(&mut local, &mut records, "boot-2").unwrap();
    assert_eq!((joined.incarnation, joined.held, joined.lost), (2, vec![held], vec![]));
    assert_eq!(owner(&records, held).unwrap().incarnation, 2);
}

#[test]
fn a_node_that_has_left_is_free_for_others_and_joins_again_when_told() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    run(&mut Leave::new(), &mut locals[0], &mut records).unwrap();
    assert_eq!((locals[0].held().count(), locals[0].wants_to_join()), (0, false));
    assert_eq!(claim(&mut locals[1], &mut records).unwrap().block, held);
    assert_eq!(join(&mut locals[0], &mut records, "boot-1").unwrap().incarnation, 2);
    assert_eq!(locals[0].membership(), MembershipState::Member);
}

#[test]
fn blocks_whose_leases_were_lost_with_the_disk_wait_for_the_next_boot() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut fresh = LocalState::new("a", "a new disk");
    assert_eq!(join(&mut fresh, &mut records, "boot-1").unwrap().held, []);
    run(&mut Sync::new(), &mut fresh, &mut records).unwrap();
    assert_eq!(fresh.held().count(), 0, "its containers may still run");
    let mut fresh = LocalState::read(&fresh.to_bytes(), "boot-2").unwrap();
    assert_eq!(join(&mut fresh, &mut records, "boot-2").unwrap().held, [held]);
}

#[test]
fn a_clone_is_watched_for_life_before_it_may_have_the_name() {
    let (mut records, mut locals) = cluster(&["a"]);
    let mut beat = crate::beat::Beat::new();
    run(&mut beat, &mut locals[0], &mut records).unwrap();
    let mut clone = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    let mut who = identity("machine of a", "boot-2");
    who.address = Some("192.0.2.9".parse().unwrap());
    let attempt = Join::new(who, grids(), "p");
    let refused = run(&mut attempt.clone(), &mut clone, &mut records).unwrap_err();
    let ClusterError::Suspicious { observation, .. } = refused else { panic!("{refused}") };
    let watched = attempt.having_watched(*observation);
    let mut silent = (clone.clone(), records.clone());
    assert_eq!(run(&mut watched.clone(), &mut silent.0, &mut silent.1).unwrap().incarnation, 2, "a machine that moved");
    run(&mut beat, &mut locals[0], &mut records).unwrap();
    assert!(matches!(run(&mut watched.clone(), &mut clone, &mut records), Err(ClusterError::Alive { .. })));
    assert_eq!(member(&records, "a").incarnation, 1);
}
