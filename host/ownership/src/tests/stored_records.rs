//! The records as they are written, also by later versions and older backups.

use super::{block, claim, cluster, member, run};
use crate::claim::ClaimError;
use crate::error::ClusterError;
use crate::local::LocalState;
use crate::record;
use crate::shared_store::Call;
use crate::sync::Sync;
use crate::takeover::{Observe, Takeover};

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
fn what_a_later_version_wrote_is_kept() {
    let (mut records, mut locals) = cluster(&["a", "b"]);
    let found = records.get("members/a").unwrap().clone();
    let mut value: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
    value["zone"] = "north".into();
    let (key, value) = ("members/a".to_owned(), serde_json::to_vec(&value).unwrap());
    records.carry_out(&Call::Update { key, value, expected: found.version });
    let observation = run(&mut Observe::node("a"), &mut locals[1], &mut records).unwrap();
    run(&mut Takeover::ordered(observation, false), &mut locals[1], &mut records).unwrap();
    assert_eq!(member(&records, "a").rest["zone"], "north");
    let mut json: serde_json::Value = serde_json::from_slice(&locals[0].to_bytes()).unwrap();
    json["novelty"] = 1.into();
    json.as_object_mut().unwrap().remove("orphaned");
    assert_eq!(LocalState::read(json.to_string().as_bytes(), "boot-1").unwrap(), locals[0]);
}

#[test]
fn the_records_are_written_as_documented() {
    let (mut records, mut locals) = cluster(&["a"]);
    claim(&mut locals[0], &mut records).unwrap();
    let text = |key: &str| String::from_utf8(records.get(key).unwrap().value.clone()).unwrap();
    assert_eq!(text("config"), r#"{"schema":1,"grids":[{"range":"10.32.0.0/22","blockLength":24}],"policy":"p"}"#);
    assert_eq!(text("blocks/10.32.0.0-24"), r#"{"owner":"a","incarnation":1,"claimant":"a"}"#);
    assert_eq!(
        text("members/a"),
        r#"{"machine":"machine of a","disk":"disk of a","boot":"boot-1","incarnation":1,"fenced":0,"membership":"member","address":"192.0.2.1","mac":null,"since":1700000000000}"#
    );
    assert_eq!(
        String::from_utf8(locals[0].to_bytes()).unwrap(),
        r#"{"node":"a","machine":"machine of a","disk":"disk of a","boot":"boot-1","incarnation":1,"membership":"member","grids":[{"range":"10.32.0.0/22","blockLength":24}],"blocks":[{"block":"10.32.0.0/24","version":3,"state":{"held":{"coolingUntil":0}}}],"floor":0,"highest":3,"orphaned":0}"#
    );
    assert_eq!(record::block_key(block("fd00::/112")), "blocks/fd00::-112");
    assert_eq!(record::Key::read("blocks/fd00::-112"), record::Key::Block(block("fd00::/112")));
    assert_eq!(record::Key::read("blocks/10.0.0.1-24"), record::Key::Other);
}
