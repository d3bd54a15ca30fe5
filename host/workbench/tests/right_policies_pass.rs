//! The policies that Gingham comes with keep all properties.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::time::Instant;

use gingham_workbench::check::{Effort, Subject, check};
use serde_json::{Value, json};

#[track_caller]
fn passes(name: &str, configurations: Vec<Value>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name);
    let subject = Subject::new(&gingham_testing::policy_of(&directory), configurations);
    let begun = Instant::now();
    let report = check(&subject, &Effort { steps: 1_500, ..Effort::default() }).unwrap();
    println!("{name}: {:?}, {:?}", begun.elapsed(), report.counts);
    assert!(report.finding.is_none(), "{name}: {:?}", report.finding);
    assert!(report.unserved.is_empty(), "{name}: no request got an address of {:?}", report.unserved);
    assert!(report.counts.granted > 30 && report.counts.refused > 100, "{:?}", report.counts);
}

#[test]
fn host_local() {
    passes("host-local", vec![json!({"subnet": "10.66.0.0/24"}), json!({"subnet": "10.66.0.0/28"})]);
}

#[test]
fn host_local_with_two_families() {
    let sets =
        json!({"ranges": [[{"subnet": "10.66.0.0/28"}, {"subnet": "10.67.0.0/16"}], [{"subnet": "fd00:66::/64"}]]});
    passes("host-local", vec![sets]);
}

/// The check leaves some addresses free in each of the ranges, also where there are many of them.
#[test]
fn host_local_with_many_ranges_and_two_configurations() {
    let ranges = |family: &dyn Fn(u32) -> String| (0..8).map(|number| json!({"subnet": family(number)})).collect();
    let (four, six): (Vec<Value>, Vec<Value>) =
        (ranges(&|number| format!("10.66.{number}.0/24")), ranges(&|number| format!("fd00:66:0:{number}::/64")));
    let other = json!({"ranges": [[{"subnet": "10.70.0.0/28"}], [{"subnet": "fd00:70::/120"}]]});
    passes("host-local", vec![json!({"ranges": [four, six]}), other]);
}

#[test]
fn sticky() {
    passes("sticky", vec![json!({"subnet": "10.66.0.0/28"}), json!({"subnet": "10.66.0.0/29", "keepSeconds": 60})]);
}

#[test]
fn quota() {
    passes("quota", vec![json!({"subnet": "10.66.0.0/24", "quota": 3, "namespaces": {"shop": 1}})]);
}

#[test]
fn random() {
    passes("random", vec![json!({"subnet": "10.66.0.0/16"})]);
}

#[test]
fn hashed() {
    passes("hashed", vec![json!({"subnet": "fd00:66::/64"}), json!({"subnet": "10.66.0.0/28"})]);
}

#[test]
fn by_namespace() {
    let pools = json!({"pools": {"shop": "10.66.0.0/28", "batch": "fd00:66::/64"}, "default": "10.67.0.0/24"});
    passes("by-namespace", vec![pools]);
    passes("by-namespace", vec![json!({"label": "team", "pools": {"blue": "10.66.0.0/28"}})]);
}

#[test]
fn by_zone() {
    passes("by-zone", vec![json!({"zones": {"a": "10.66.0.0/16"}, "nodes": {"node-": "a"}})]);
}

#[test]
fn weave_split() {
    passes(
        "weave-split",
        vec![json!({"range": "10.32.0.0/12"}), json!({"range": "10.32.0.0/12", "pick": "roundRobin"})],
    );
    passes("weave-split", vec![json!({"range": "10.32.0.0/24", "pick": "random"})]);
}
