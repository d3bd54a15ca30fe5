//! Claiming and releasing blocks, with replies that are lost or late.

use super::{Lowest, NOW, Only, block, claim, cluster, drive, identity, join, lost, owner, run};
use crate::claim::{Claim, ClaimError};
use crate::grid::Grid;
use crate::in_memory_store::InMemoryStore;
use crate::join::Join;
use crate::local::{BlockState, LocalState};
use crate::record::{self, BlockRecord};
use crate::release::Release;
use crate::shared_store::{Call, Reply, Version};
use crate::sync::Sync;
use crate::task::{Step, Task};

#[test]
fn two_nodes_claim_two_blocks_and_one_gives_its_back() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let first = claim(&mut locals[0], &mut records).unwrap();
    let second = claim(&mut locals[1], &mut records).unwrap();
    assert_eq!((first.block, second.block), (block("10.32.0.0/24"), block("10.32.1.0/24")));
    assert_eq!(locals[0].held().collect::<Vec<_>>(), [first.block]);
    let released = run(&mut Release::new(vec![first.block]), &mut locals[0], &mut records).unwrap();
    assert_eq!(released.blocks, [first.block]);
    assert_eq!(locals[0].held().count(), 0);
    assert_eq!(owner(&records, first.block), None);
    assert_eq!(claim(&mut locals[1], &mut records).unwrap().block, first.block);
}

#[test]
fn a_delete_of_an_earlier_life_does_not_take_a_block_that_was_taken_back() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let image = locals[0].to_bytes();
    let Step::Call(late) = Release::new(vec![held]).start(&mut locals[0], NOW) else { panic!("a delete") };
    // The disk comes back as it was before the release; the delete is still on its way.
    let mut local = LocalState::read(&image, "boot-2").unwrap();
    assert_eq!(join(&mut local, &mut records, "boot-2").unwrap().held, [held]);
    assert!(matches!(records.carry_out(&late), Reply::Conflict(Some(_))));
    assert!(owner(&records, held).is_some());
}

#[test]
fn lost_answers_are_made_good_by_repeating_the_write() {
    let (mut records, mut locals) = cluster(&["a"]);
    let mut calls = Vec::new();
    let claimed = drive(&mut Claim::new(Lowest, 0, 0), &mut locals[0], &mut records, |number, call, reply, _, _| {
        calls.push(call.clone());
        if number == 1 { lost() } else { reply }
    });
    assert_eq!(claimed.unwrap().block, block("10.32.0.0/24"));
    assert_eq!(calls[1], calls[2]);
    let released = drive(
        &mut Release::new(vec![block("10.32.0.0/24")]),
        &mut locals[0],
        &mut records,
        |number, _, reply, _, _| if number == 0 { lost() } else { reply },
    );
    assert!(released.unwrap().unsure.is_empty());
    assert_eq!(owner(&records, block("10.32.0.0/24")), None);
}

/// Another writes to a record, and what it says stays.
fn label(records: &mut InMemoryStore, key: &str) {
    let found = records.get(key).unwrap().clone();
    records.carry_out(&Call::Update { key: key.into(), value: found.value, expected: found.version });
}

#[test]
fn a_release_follows_a_record_that_another_wrote_to() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    label(&mut records, &record::block_key(held));
    let released = run(&mut Release::new(vec![held]), &mut locals[0], &mut records).unwrap();
    assert_eq!((released.blocks, released.unsure), (vec![held], vec![]));
    assert_eq!(owner(&records, held), None);
}

#[test]
fn a_release_does_not_take_what_another_process_took_back() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut release = Release::new(vec![held]);
    let Step::Call(delete) = release.start(&mut locals[0], NOW) else { panic!("a delete") };
    assert_eq!(claim(&mut locals[0], &mut records).unwrap().block, held, "taken back by a write");
    let Step::Done(Ok(released)) = release.resume(records.carry_out(&delete), &mut locals[0], NOW) else {
        panic!("nothing more to do")
    };
    assert!(released.blocks.is_empty() && released.unsure.is_empty());
    assert!(locals[0].holds(held) && owner(&records, held).is_some());
}

#[test]
fn a_record_that_is_written_to_all_the_time_is_released_later() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut release = Release::new(vec![held]);
    let mut step = release.start(&mut locals[0], NOW);
    let released = loop {
        label(&mut records, &record::block_key(held));
        match step {
            Step::Call(call) => step = release.resume(records.carry_out(&call), &mut locals[0], NOW),
            Step::Done(done) => break done.unwrap(),
        }
    };
    assert_eq!((released.blocks.len(), released.unsure.len(), locals[0].held().count()), (0, 1, 0));
    assert_eq!(run(&mut Release::new(vec![]), &mut locals[0], &mut records).unwrap().blocks, [held]);
}

#[test]
fn a_block_whose_release_is_not_known_is_taken_back_by_a_write_before_another_is_claimed() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let before = records.clone();
    let released = drive(&mut Release::new(vec![held]), &mut locals[0], &mut records, |_, _, _, _, _| lost()).unwrap();
    assert_eq!((released.blocks.len(), released.unsure.len()), (0, 1));
    assert_eq!(locals[0].held().count(), 0, "it is served from no more");
    // None of the deletes has arrived yet.
    let mut records = before;
    let late = Call::Delete { key: record::block_key(held), expected: locals[0].releasing()[0].1 };
    assert_eq!(claim(&mut locals[0], &mut records).unwrap().block, held);
    assert!(matches!(records.carry_out(&late), Reply::Conflict(Some(_))));
}

#[test]
fn a_late_answer_does_not_bring_a_released_block_back() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let (a, b) = locals.split_at_mut(1);
    let wanted = block("10.32.3.0/24");
    let claimed =
        drive(&mut Claim::new(Only(wanted), 0, 0), &mut a[0], &mut records, |number, _, reply, local, records| {
            if number == 2 {
                // While the answer is on its way, another process of the node takes the block up and gives it back.
                assert_eq!(run(&mut Sync::new(), local, records).unwrap().adopted, [wanted]);
                run(&mut Release::new(vec![wanted]), local, records).unwrap();
                run(&mut Claim::new(Only(wanted), 0, 0), &mut b[0], records).unwrap();
            }
            reply
        });
    assert!(matches!(claimed, Err(ClaimError::BadProposal { .. })), "it looks again, and the block is another's");
    assert_eq!(locals[0].held().count(), 0);
    assert!(locals[1].holds(wanted));
}

#[test]
fn an_old_list_drops_and_adopts_nothing() {
    let (mut records, mut locals) = cluster(&["a"]);
    let first = claim(&mut locals[0], &mut records).unwrap().block;
    let mut sync = Sync::new();
    let Step::Call(call) = sync.start(&mut locals[0], NOW) else { panic!("a list") };
    let old = records.carry_out(&call);
    run(&mut Release::new(vec![first]), &mut locals[0], &mut records).unwrap();
    let second = run(&mut Claim::new(Only(block("10.32.2.0/24")), 0, 0), &mut locals[0], &mut records).unwrap().block;
    let Step::Done(Ok(synced)) = sync.resume(old, &mut locals[0], NOW) else { panic!("a block_map") };
    assert!(synced.adopted.is_empty() && synced.lost.is_empty());
    assert_eq!(locals[0].held().collect::<Vec<_>>(), [second]);
}

#[test]
fn a_block_that_overlaps_a_claimed_one_or_lies_elsewhere_is_not_claimed() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let wide = record::write(&BlockRecord::new("b", 1));
    records.carry_out(&Call::Create { key: "blocks/10.32.0.0-23".into(), value: wide });
    records.carry_out(&Call::Create { key: "blocks/10.32.2.0-24".into(), value: b"?".to_vec() });
    for (wanted, why) in [
        ("10.32.1.0/24", "is claimed: 10.32.0.0/23 is held by b"),
        ("10.32.2.0/24", "is claimed"),
        ("10.33.0.0/24", "is not a block of the grid 10.32.0.0/22 in blocks of /24"),
    ] {
        let refused = run(&mut Claim::new(Only(block(wanted)), 0, 0), &mut locals[0], &mut records).unwrap_err();
        assert!(refused.to_string().ends_with(why), "{refused}");
    }
}

#[test]
fn versions_of_many_released_blocks_are_remembered_in_one() {
    let mut records = InMemoryStore::new();
    let many = vec![Grid::new(block("10.32.0.0/16"), 24).unwrap()];
    let mut local = LocalState::new("a", "d");
    run(&mut Join::new(identity("m", "boot-1"), many, "p"), &mut local, &mut records).unwrap();
    for number in 0..100 {
        let wanted = block(&format!("10.32.{number}.0/24"));
        run(&mut Claim::new(Only(wanted), 0, 0), &mut local, &mut records).unwrap();
        run(&mut Release::new(vec![wanted]), &mut local, &mut records).unwrap();
    }
    assert!(local.blocks().count() <= 32, "{}", local.blocks().count());
    assert!(local.blocks().all(|block| block.state == BlockState::Released));
    assert!(!local.adopt(block("10.32.0.0/24"), Version(5), 0), "an old version is still too old");
    let value = record::write(&BlockRecord::new("a", 1));
    let before = local.clone();
    records.carry_out(&Call::Create { key: record::block_key(block("10.32.0.0/24")), value });
    assert_eq!(run(&mut Sync::new(), &mut local, &mut records).unwrap().adopted, [block("10.32.0.0/24")]);
    assert_ne!(before, local);
}
