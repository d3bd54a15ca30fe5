//! The reference plugins `bridge` and `host-local` (Debian's package `containernetworking-plugins`) and Gingham under
//! their names get the same generated configurations and calls, on node nodes; then answers, leases and the kernel's
//! state are compared. What differs is a defect, or one of the differences that docs/differences.md explains.
//!
//! - `GINGHAM_DIFFERENTIAL_SEED`: the seed of a run that was seen elsewhere. Without it every run has another one.
//! - `GINGHAM_DIFFERENTIAL_CASES`: how many cases; 2400 without it. One of eight is of `bridge`.
//! - `GINGHAM_DIFFERENTIAL_SHOWN`: how many of the cases that failed are printed whole; 4 without it.
//! - `GINGHAM_DIFFERENTIAL_CASE`: a case as a failed run printed it, or the name of a file with one; it runs alone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod case;
mod compare;
mod faults;
mod generate;
mod guards;
mod masquerade;
mod node;
mod observation;
mod printed;
mod random;
mod ranges;
mod sentences;
mod tolerated;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use case::Case;
use compare::Used;
use node::{NodeOfSide, REFERENCE, Side};
use observation::Observation;
use random::Random;

const CASES: usize = 2400;

/// Nodes of each side that work at the same time.
const NODES: usize = 2;

/// Failed cases that are printed whole.
const SHOWN: u64 = 4;

fn are_installed() -> bool {
    skipped_tests::has(&format!("{REFERENCE}/bridge"), "containernetworking-plugins")
        && skipped_tests::has(guards::NFT, "nftables")
        && masquerade::SAVE.iter().all(|save| skipped_tests::has(save, "iptables"))
}

fn number(variable: &str, otherwise: impl FnOnce() -> u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise(),
    }
}

/// Past cargo's capture: it is wanted of runs that succeed, too.
fn tell(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

fn generated(seed: u64, index: usize) -> Case {
    let mut random = Random::of(seed, index);
    if index % 8 == 7 { generate::bridges(&mut random, index) } else { generate::addresses(&mut random, index) }
}

/// Runs all cases on some nodes of one side.
fn run_on(side: Side, cases: &[Case]) -> Vec<Vec<Observation>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..NODES.min(cases.len()) {
            scope.spawn(|| {
                let node = NodeOfSide::new(side);
                while let Some((index, case)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, cases.get(i)?)))
                {
                    let seen = node.run(case);
                    done.lock().unwrap().insert(index, seen);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

fn run_on_both(cases: &[Case]) -> (Vec<Vec<Observation>>, Vec<Vec<Observation>>) {
    std::thread::scope(|scope| {
        let reference = scope.spawn(|| run_on(Side::Reference, cases));
        let gingham = run_on(Side::Gingham, cases);
        (reference.join().unwrap(), gingham)
    })
}

/// Compares, and fails with the cases that differ.
fn judge(cases: &[Case], what: &str) {
    let (reference, gingham) = run_on_both(cases);
    let mut used = Used::new();
    let mut failed = Vec::new();
    for (case, (theirs, ours)) in cases.iter().zip(reference.iter().zip(&gingham)) {
        if let Err(fact) = compare::case(case, theirs, ours, &mut used) {
            failed.push((case, fact));
        }
    }
    let explained: Vec<String> = used.iter().map(|(heading, count)| format!("{heading}: {count}")).collect();
    tell(&format!(
        "{what}: {} cases, {} not as explained; explained: {}",
        cases.len(),
        failed.len(),
        explained.join(", ")
    ));
    let shown = usize::try_from(number("GINGHAM_DIFFERENTIAL_SHOWN", || SHOWN)).unwrap();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, fact) in &failed {
        *kinds.entry(&fact.kind).or_default() += 1;
    }
    for (kind, count) in kinds {
        tell(&format!("{count} x {kind}"));
    }
    for (case, fact) in failed.iter().take(shown) {
        let fact = &fact.text;
        tell(&format!(
            "{fact}\nto run it alone: GINGHAM_DIFFERENTIAL_CASE='{}'\n",
            serde_json::to_string(case).unwrap()
        ));
    }
    assert!(
        failed.is_empty(),
        "{what}: {} of {} cases differ in a way that is not explained",
        failed.len(),
        cases.len()
    );
}

#[test]
fn the_reference_and_we_do_the_same() {
    if !are_installed() {
        return;
    }
    if let Ok(case) = std::env::var("GINGHAM_DIFFERENTIAL_CASE") {
        let text = if case.starts_with('{') { case } else { std::fs::read_to_string(case).unwrap() };
        return judge(&[serde_json::from_str(&text).unwrap()], "one case");
    }
    let of_the_clock = || u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let seed = number("GINGHAM_DIFFERENTIAL_SEED", of_the_clock);
    let count = usize::try_from(number("GINGHAM_DIFFERENTIAL_CASES", || CASES as u64)).unwrap();
    let what = format!("GINGHAM_DIFFERENTIAL_SEED={seed}");
    tell(&what);
    let cases: Vec<Case> = (0..count).map(|index| generated(seed, index)).collect();
    judge(&cases, &what);
}

#[test]
fn each_tolerated_difference_is_explained() {
    let explained = include_str!("../../../docs/differences.md");
    let headings: Vec<&str> = explained.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for tolerance in tolerated::TOLERATED {
        assert!(headings.contains(&tolerance.heading), "docs/differences.md has no heading {:?}", tolerance.heading);
    }
    let (seen, _) = explained.split_once("## By design").expect("the document's second part");
    for heading in seen.lines().filter_map(|line| line.strip_prefix("### ")) {
        let known = tolerated::TOLERATED.iter().any(|tolerance| tolerance.heading == heading);
        assert!(known, "nothing in the test is tolerated under {heading:?}");
    }
}
