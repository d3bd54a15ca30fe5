//! Tasks step by step, against a store that answers at once.

use ipnet::IpNet;

use super::claim::{Chooser, Claim, ClaimError, Claimed};
use super::error::ClusterError;
use super::grid::{Grid, Picture};
use super::join::{Identity, Join, Joined};
use super::leave::Leave;
use super::local::{BlockState, LocalState, Standing};
use super::record::{self, BlockRecord, MemberRecord, Membership};
use super::records::Records;
use super::release::Release;
use super::shared_store::{Call, Reply, StoreFault, Version};
use super::sync::Sync;
use super::takeover::{Look, Takeover};
use super::task::{Step, Task};

const NOW: u64 = 1_700_000_000_000;

/// The first unclaimed block.
struct Lowest;

impl Chooser for Lowest {
    type Error = ();

    fn next_block(&mut self, picture: &Picture) -> Result<IpNet, ()> {
        picture.next_unclaimed(picture.grids()[0].range().into(), None).ok_or(())
    }
}

/// Always this one.
struct Only(IpNet);

impl Chooser for Only {
    type Error = ();

    fn next_block(&mut self, _picture: &Picture) -> Result<IpNet, ()> {
        Ok(self.0)
    }
}

fn block(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn grids() -> Vec<Grid> {
    vec![Grid::new(block("10.32.0.0/22"), 24).unwrap()]
}

fn identity(machine: &str, boot: &str) -> Identity {
    let address = Some("192.0.2.1".parse().unwrap());
    Identity { machine: machine.into(), boot: boot.into(), address, mac: None }
}

/// Drives a task to its end; `meddle` may do something else after each call, and change the reply.
fn drive<T: Task>(
    task: &mut T,
    local: &mut LocalState,
    records: &mut Records,
    mut meddle: impl FnMut(usize, &Call, Reply, &mut LocalState, &mut Records) -> Reply,
) -> T::Output {
    let mut step = task.start(local, NOW);
    for number in 0..100 {
        match step {
            Step::Done(output) => return output,
            Step::Call(call) => {
                let reply = records.carry_out(&call);
                let reply = meddle(number, &call, reply, local, records);
                *local = LocalState::read(&local.to_bytes(), local.boot()).unwrap();
                step = task.resume(reply, local, NOW);
            }
        }
    }
    panic!("the task does not end");
}

fn run<T: Task>(task: &mut T, local: &mut LocalState, records: &mut Records) -> T::Output {
    drive(task, local, records, |_, _, reply, _, _| reply)
}

fn join(local: &mut LocalState, records: &mut Records, boot: &str) -> Result<Joined, ClusterError> {
    run(&mut Join::new(identity(&format!("machine of {}", local.node()), boot), grids(), "p"), local, records)
}

fn claim(local: &mut LocalState, records: &mut Records) -> Result<Claimed, ClaimError<()>> {
    run(&mut Claim::new(Lowest, 0, 120_000), local, records)
}

/// A cluster of nodes that have joined, in their first boot.
fn cluster(names: &[&str]) -> (Records, Vec<LocalState>) {
    let mut records = Records::new();
    let mut locals = Vec::new();
    for name in names {
        let mut local = LocalState::new(name, &format!("disk of {name}"));
        join(&mut local, &mut records, "boot-1").unwrap();
        locals.push(local);
    }
    (records, locals)
}

fn member(records: &Records, name: &str) -> MemberRecord {
    let key = record::member_key(name);
    record::read(&key, &records.get(&key).unwrap().value).unwrap()
}

fn owner(records: &Records, block: IpNet) -> Option<BlockRecord> {
    let key = record::block_key(block);
    records.get(&key).map(|found| record::read(&key, &found.value).unwrap())
}

fn lost() -> Reply {
    Reply::Unknown(StoreFault::Unreachable("nobody answers".into()))
}

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
fn the_first_member_writes_the_grid_and_another_grid_is_refused() {
    let (mut records, _) = cluster(&["a"]);
    let mut other = LocalState::new("b", "d");
    let coarser = vec![Grid::new(block("10.32.0.0/22"), 23).unwrap()];
    let refused = run(&mut Join::new(identity("m", "x"), coarser, "p"), &mut other, &mut records).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("10.32.0.0/22 in blocks of /24, and this node's"), "{text}");
    assert_eq!(other.standing(), Standing::New);
    assert!(records.get("members/b").is_none());
}

#[test]
fn a_name_of_another_machine_is_refused_until_it_is_taken_over() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let mut imposter = LocalState::new("a", "another disk");
    let mut attempt = Join::new(identity("another machine", "x"), grids(), "p");
    let refused = run(&mut attempt.clone(), &mut imposter, &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::NameTaken { .. }), "{refused}");
    let sighting = run(&mut Look::at("a"), &mut locals[1], &mut records).unwrap();
    run(&mut Takeover::ordered(sighting, false), &mut locals[1], &mut records).unwrap();
    assert_eq!(run(&mut attempt, &mut imposter, &mut records).unwrap().incarnation, 2);
}

#[test]
fn a_reboot_makes_a_new_incarnation_and_writes_the_blocks_anew() {
    let (mut records, mut locals) = cluster(&["a"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut local = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    assert_eq!((local.standing(), local.held().count()), (Standing::Rebooted, 0), "nothing is served before it joins");
    assert!(matches!(claim(&mut local, &mut records), Err(ClaimError::Cluster(ClusterError::NotMember { .. }))));
    let joined = join(&mut local, &mut records, "boot-2").unwrap();
    assert_eq!((joined.incarnation, joined.held, joined.lost), (2, vec![held], vec![]));
    assert_eq!(owner(&records, held).unwrap().incarnation, 2);
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
fn a_node_that_was_taken_over_lets_go_and_its_blocks_rest_with_who_claims_them() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let taken = claim(&mut locals[0], &mut records).unwrap().block;
    let sighting = run(&mut Look::at("a"), &mut locals[1], &mut records).unwrap();
    let done = run(&mut Takeover::ordered(sighting.clone(), false), &mut locals[1], &mut records).unwrap();
    assert_eq!(done.fenced, 1);
    assert_eq!(member(&records, "a").standing, Membership::Taken);
    run(&mut Takeover::ordered(sighting, false), &mut locals[1], &mut records).unwrap();
    let claimed = claim(&mut locals[1], &mut records).unwrap();
    assert_eq!(claimed, Claimed { block: taken, was_anothers: true });
    assert_eq!(locals[1].held().collect::<Vec<_>>(), [taken]);
    assert_eq!(locals[1].held_rested(NOW + 119_999).count(), 0);
    assert_eq!(locals[1].held_rested(NOW + 120_000).count(), 1);
    let synced = run(&mut Sync::new(), &mut locals[0], &mut records).unwrap_err();
    assert!(matches!(synced.error, ClusterError::Fenced { .. }) && synced.cluster.is_some());
    assert_eq!((locals[0].standing(), locals[0].held().count()), (Standing::Fenced, 0));
    let joined = join(&mut locals[0], &mut records, "boot-1").unwrap();
    assert_eq!((joined.incarnation, joined.held.len()), (2, 0));
    assert_eq!(claim(&mut locals[0], &mut records).unwrap().block, block("10.32.1.0/24"));
}

#[test]
fn a_takeover_of_a_node_that_came_back_changes_nothing() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let sighting = run(&mut Look::at("a"), &mut locals[1], &mut records).unwrap();
    let mut back = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    join(&mut back, &mut records, "boot-2").unwrap();
    let refused = run(&mut Takeover::ordered(sighting, true), &mut locals[1], &mut records).unwrap_err();
    assert!(matches!(refused, ClusterError::CameBack { .. }));
    assert!(member(&records, "a").is_alive());
}

#[test]
fn a_claim_that_comes_after_the_fence_is_not_used() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let mut sighting = None;
    let (a, b) = locals.split_at_mut(1);
    let claimed = drive(&mut Claim::new(Lowest, 0, 0), &mut a[0], &mut records, |number, _, reply, _, records| {
        if number == 0 {
            sighting = Some(run(&mut Look::at("a"), &mut b[0], records).unwrap());
            run(&mut Takeover::ordered(sighting.clone().unwrap(), false), &mut b[0], records).unwrap();
        }
        reply
    });
    assert!(matches!(claimed, Err(ClaimError::Cluster(ClusterError::Fenced { .. }))), "{claimed:?}");
    assert!(claim(&mut locals[1], &mut records).unwrap().was_anothers, "its record is nobody's");
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
    let Step::Done(Ok(synced)) = sync.resume(old, &mut locals[0], NOW) else { panic!("a picture") };
    assert!(synced.adopted.is_empty() && synced.lost.is_empty());
    assert_eq!(locals[0].held().collect::<Vec<_>>(), [second]);
}

#[test]
fn a_store_that_went_back_in_time_is_refused_and_what_is_held_is_kept() {
    let (mut records, mut locals) = cluster(&["a"]);
    let backup = records.clone();
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    let mut records = backup;
    let refused = claim(&mut locals[0], &mut records).unwrap_err();
    assert!(matches!(refused, ClaimError::Cluster(ClusterError::Rewound { seen: 3, now: 2 })), "{refused}");
    assert!(matches!(
        run(&mut Sync::new(), &mut locals[0], &mut records).unwrap_err().error,
        ClusterError::Rewound { .. }
    ));
    assert!(locals[0].holds(held));
}

#[test]
fn a_node_that_has_left_is_free_for_others_and_joins_again_when_told() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let held = claim(&mut locals[0], &mut records).unwrap().block;
    run(&mut Leave::new(), &mut locals[0], &mut records).unwrap();
    assert_eq!((locals[0].held().count(), locals[0].wants_to_join()), (0, false));
    assert_eq!(claim(&mut locals[1], &mut records).unwrap().block, held);
    assert_eq!(join(&mut locals[0], &mut records, "boot-1").unwrap().incarnation, 2);
    assert_eq!(locals[0].standing(), Standing::Member);
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
    let mut beat = super::beat::Beat::new();
    run(&mut beat, &mut locals[0], &mut records).unwrap();
    let mut clone = LocalState::read(&locals[0].to_bytes(), "boot-2").unwrap();
    let mut who = identity("machine of a", "boot-2");
    who.address = Some("192.0.2.9".parse().unwrap());
    let attempt = Join::new(who, grids(), "p");
    let refused = run(&mut attempt.clone(), &mut clone, &mut records).unwrap_err();
    let ClusterError::Suspicious { sighting, .. } = refused else { panic!("{refused}") };
    let watched = attempt.having_watched(*sighting);
    let mut silent = (clone.clone(), records.clone());
    assert_eq!(run(&mut watched.clone(), &mut silent.0, &mut silent.1).unwrap().incarnation, 2, "a machine that moved");
    run(&mut beat, &mut locals[0], &mut records).unwrap();
    assert!(matches!(run(&mut watched.clone(), &mut clone, &mut records), Err(ClusterError::Alive { .. })));
    assert_eq!(member(&records, "a").incarnation, 1);
}

#[test]
fn what_a_later_version_wrote_is_kept() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let found = records.get("members/a").unwrap().clone();
    let mut value: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
    value["zone"] = "north".into();
    let (key, value) = ("members/a".to_owned(), serde_json::to_vec(&value).unwrap());
    records.carry_out(&Call::Update { key, value, expected: found.version });
    let sighting = run(&mut Look::at("a"), &mut locals[1], &mut records).unwrap();
    run(&mut Takeover::ordered(sighting, false), &mut locals[1], &mut records).unwrap();
    assert_eq!(member(&records, "a").rest["zone"], "north");
    let mut json: serde_json::Value = serde_json::from_slice(&locals[0].to_bytes()).unwrap();
    json["novelty"] = 1.into();
    json.as_object_mut().unwrap().remove("spared");
    assert_eq!(LocalState::read(json.to_string().as_bytes(), "boot-1").unwrap(), locals[0]);
}

#[test]
fn the_records_are_written_as_documented() {
    let (mut records, mut locals) = cluster(&["a"]);
    claim(&mut locals[0], &mut records).unwrap();
    let text = |key: &str| String::from_utf8(records.get(key).unwrap().value.clone()).unwrap();
    assert_eq!(text("config"), r#"{"schema":1,"grids":[{"range":"10.32.0.0/22","blockLength":24}],"policy":"p"}"#);
    assert_eq!(text("blocks/10.32.0.0-24"), r#"{"owner":"a","incarnation":1}"#);
    assert_eq!(
        text("members/a"),
        r#"{"machine":"machine of a","disk":"disk of a","boot":"boot-1","incarnation":1,"fenced":0,"standing":"member","address":"192.0.2.1","mac":null,"since":1700000000000}"#
    );
    assert_eq!(
        String::from_utf8(locals[0].to_bytes()).unwrap(),
        r#"{"node":"a","machine":"machine of a","disk":"disk of a","boot":"boot-1","incarnation":1,"standing":"member","grids":[{"range":"10.32.0.0/22","blockLength":24}],"blocks":[{"block":"10.32.0.0/24","version":3,"state":{"held":{"restUntil":0}}}],"floor":0,"highest":3,"spared":0}"#
    );
    assert_eq!(record::block_key(block("fd00::/112")), "blocks/fd00::-112");
    assert_eq!(record::Key::read("blocks/fd00::-112"), record::Key::Block(block("fd00::/112")));
    assert_eq!(record::Key::read("blocks/10.0.0.1-24"), record::Key::Other);
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
        ("10.33.0.0/24", "is no block of the grid 10.32.0.0/22 in blocks of /24"),
    ] {
        let refused = run(&mut Claim::new(Only(block(wanted)), 0, 0), &mut locals[0], &mut records).unwrap_err();
        assert!(refused.to_string().ends_with(why), "{refused}");
    }
}

#[test]
fn versions_of_many_released_blocks_are_remembered_in_one() {
    let mut records = Records::new();
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
