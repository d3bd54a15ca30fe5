//! Takeovers, and what a node does that was taken over.

use super::{Lowest, NOW, block, claim, cluster, drive, join, lost, member, run};
use crate::claim::{Claim, ClaimError, Claimed};
use crate::confirm::Confirm;
use crate::error::ClusterError;
use crate::in_memory_store::InMemoryStore;
use crate::local::{LocalState, MembershipState};
use crate::record::{self, LifeRecord, Membership};
use crate::rules::Rules;
use crate::shared_store::{Call, Reply};
use crate::sync::Sync;
use crate::takeover::{Observe, Takeover};

#[test]
fn a_node_that_was_taken_over_lets_go_and_its_blocks_rest_with_who_claims_them() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let taken = claim(&mut locals[0], &mut records).unwrap().block;
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let done = run(&mut Takeover::ordered(observation.clone(), false), &mut locals[1], &mut records).unwrap();
    assert_eq!(done.fenced, 1);
    assert_eq!(member(&records, "a").membership, Membership::Taken);
    run(&mut Takeover::ordered(observation, false), &mut locals[1], &mut records).unwrap();
    let claimed = claim(&mut locals[1], &mut records).unwrap();
    assert_eq!(claimed, Claimed { block: taken, was_anothers: true });
    assert_eq!(locals[1].held().collect::<Vec<_>>(), [taken]);
    assert_eq!(locals[1].held_cooled(NOW + 119_999).count(), 0);
    assert_eq!(locals[1].held_cooled(NOW + 120_000).count(), 1);
    let synced = run(&mut Sync::new(), &mut locals[0], &mut records).unwrap_err();
    assert!(matches!(synced.error, ClusterError::Fenced { .. }) && synced.snapshot.is_some());
    assert_eq!((locals[0].membership(), locals[0].held().count()), (MembershipState::Fenced, 0));
    let joined = join(&mut locals[0], &mut records, "boot-1").unwrap();
    assert_eq!((joined.incarnation, joined.held.len()), (2, 0));
    assert_eq!(claim(&mut locals[0], &mut records).unwrap().block, block("10.32.1.0/24"));
}

#[test]
fn a_takeover_of_a_node_that_came_back_changes_nothing() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let mut back = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    join(&mut back, &mut records, "boot-2").unwrap();
    let refused = run(&mut Takeover::ordered(observation, true), &mut locals[1], &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::CameBack { .. }));
    assert!(member(&records, "a").is_alive());
}

#[test]
fn a_takeover_follows_a_record_that_another_wrote_to() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let key = record::member_key("a");
    let found = records.get(&key).unwrap().clone();
    records.carry_out(&Call::Update { key, value: found.value, expected: found.version });
    run(&mut Takeover::ordered(observation, false), &mut locals[1], &mut records).unwrap();
    assert!(!member(&records, "a").is_alive());
}

#[test]
fn where_every_node_shows_life_a_node_without_a_sign_is_not_taken_over() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let watched = Takeover::ordered(observation.clone(), false).expecting_life();
    let refused = run(&mut watched.clone(), &mut locals[1], &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::LifeUnknown { .. }), "{refused}");
    assert!(member(&records, "a").is_alive());
    run(&mut Takeover::ordered(observation, true).expecting_life(), &mut locals[1], &mut records).unwrap();
    assert!(!member(&records, "a").is_alive());
}

#[test]
fn a_deleted_node_whose_lease_went_with_it_is_taken_over_and_one_that_renews_it_is_not() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let life = |beat| record::write(&LifeRecord { incarnation: 0, beat });
    let key = record::life_key("a");
    let Reply::Written(version) = records.carry_out(&Call::Create { key: key.clone(), value: life(1) }) else {
        panic!("written")
    };
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let deleted = Takeover::ordered(observation, false).of_a_deleted_node();
    records.carry_out(&Call::Update { key: key.clone(), value: life(2), expected: version });
    let refused = run(&mut deleted.clone(), &mut locals[1], &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::Alive { .. }), "{refused}");
    let expected = records.get(&key).unwrap().version;
    records.carry_out(&Call::Delete { key, expected });
    run(&mut deleted.clone(), &mut locals[1], &mut records).unwrap();
    assert!(!member(&records, "a").is_alive());
}

#[test]
fn a_claim_that_comes_after_the_fence_is_not_used() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let mut observation = None;
    let (a, b) = locals.split_at_mut(1);
    let claimed = drive(&mut Claim::new(Lowest, 0, 0), &mut a[0], &mut records, |number, _, reply, _, records| {
        if number == 0 {
            observation = Some(run(&mut Observe::node("a"), &mut b[0], records).unwrap());
            run(&mut Takeover::ordered(observation.clone().unwrap(), false), &mut b[0], records).unwrap();
        }
        reply
    });
    assert!(matches!(claimed, Err(ClaimError::Cluster(ClusterError::Fenced { .. }))), "{claimed:?}");
    assert!(claim(&mut locals[1], &mut records).unwrap().was_anothers, "its record is nobody's");
}

#[test]
fn a_confirmation_after_silence_ends_a_takeover_that_is_under_way() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let version = |records: &InMemoryStore| records.get(&record::member_key("a")).unwrap().version;
    locals[0].confirm(1_000);
    let before = version(&records);
    run(&mut Confirm::new(2_000), &mut locals[0], &mut records).unwrap();
    assert_eq!(version(&records), before, "in touch it reads");

    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    locals[0].doubt();
    // A label of others, and an answer that is lost, end in one write that counts.
    let label = |records: &mut InMemoryStore| {
        let (key, found) = (record::member_key("a"), records.get(&record::member_key("a")).unwrap().clone());
        records.carry_out(&Call::Update { key, value: found.value, expected: found.version });
    };
    let meddle = |number, _: &Call, reply, _: &mut LocalState, records: &mut InMemoryStore| match number {
        0 => {
            label(records);
            reply
        }
        2 => lost(),
        _ => reply,
    };
    drive(&mut Confirm::new(3_000), &mut locals[0], &mut records, meddle).unwrap();
    assert_eq!(member(&records, "a").confirmed, 1);
    assert!(locals[0].is_confirmed(3_000, Rules::default()));
    let refused = run(&mut Takeover::ordered(observation, true), &mut locals[1], &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::CameBack { .. }), "{refused}");
    assert!(member(&records, "a").is_alive());
}

#[test]
fn a_confirmation_after_silence_comes_too_late_for_a_takeover_that_is_done() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let taken = claim(&mut locals[0], &mut records).unwrap().block;
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    let mut other = locals[1].clone();
    // Between the read and the write of the confirmation.
    let takes_over = |number, _: &Call, reply, _: &mut LocalState, records: &mut InMemoryStore| {
        if number == 0 {
            run(&mut Takeover::ordered(observation.clone(), false), &mut other, records).unwrap();
        }
        reply
    };
    let refused = drive(&mut Confirm::new(3_000), &mut locals[0], &mut records, takes_over).unwrap_err();
    assert!(matches!(refused, ClusterError::Fenced { .. }), "{refused}");
    assert!(!locals[0].holds(taken) && !locals[0].is_confirmed(3_000, Rules::default()));
    assert_eq!(member(&records, "a").membership, Membership::Taken);
}
