//! Each rule switched off in turn: the simulation finds an address in use on two nodes, and so does its replay file.

use gingham_simulation::disk::LeaseDisk;
use gingham_simulation::properties::StoreProperties;
use gingham_simulation::run::{Case, Failure};

/// Steps of all seeds together within which a rule that is off is noticed.
const BOUND: u64 = 6_000_000;
/// Steps of one seed.
const STEPS: u64 = 20_000;

fn find(rule: &str) -> Option<Box<Failure>> {
    let without = Some(rule.to_owned());
    // Only there can a Lease be deleted, and only there does a node that was cut off not ask for itself.
    let store = if ["R10", "R11", "R12"].contains(&rule) { StoreProperties::KUBERNETES } else { StoreProperties::ETCD };
    look(rule, &Case { nodes: 2, blocks: 1, bits: 3, pods: 2, store, without, damage_only: true, ..Case::default() })
}

fn look(rule: &str, case: &Case) -> Option<Box<Failure>> {
    let found =
        (0..BOUND / STEPS).find_map(|seed| case.run::<LeaseDisk>(seed, STEPS).err().map(|failure| (seed, failure)));
    let (seed, failure) = found?;
    println!("{rule}: seed {seed}, after {} steps: {}", seed * STEPS + failure.counts.steps, failure.violation.what);
    Some(failure)
}

#[test]
fn without_any_of_the_rules_an_address_is_used_twice() {
    for rule in ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R10", "R11", "R12"] {
        let Some(failure) = find(rule) else { panic!("{rule} is off, and {BOUND} steps did not notice") };
        let without = failure.case.without.clone();
        let mut with_all = failure.case;
        assert_eq!(without.as_deref(), Some(rule));
        with_all.without = None;
        with_all.damage_only = false;
        assert!(with_all.replay::<LeaseDisk>().is_ok(), "{rule}: with the rule the same decisions do no harm");
    }
}

#[test]
fn without_the_rule_for_foreign_writes_a_released_block_stays_claimed() {
    let with = |without: Option<&str>| Case {
        nodes: 2,
        blocks: 2,
        pods: 2,
        store: StoreProperties::KUBERNETES,
        without: without.map(str::to_owned),
        ..Case::default()
    };
    let end = |without| (0..8).find_map(|seed| with(without).run::<LeaseDisk>(seed, 2_000).ok()?.settles().err());
    assert_eq!(end(None), None);
    let Some(violation) = end(Some("R9")) else { panic!("R9 is off, and nothing is noticed") };
    assert!(violation.what.contains("owns") && violation.what.contains("does not know of it"), "{}", violation.what);
}

#[test]
fn without_nonces_a_late_delete_takes_a_block_after_a_write_that_was_answered() {
    let store = StoreProperties { nonces: false, ..StoreProperties::KUBERNETES };
    let case = Case { nodes: 2, blocks: 1, bits: 3, pods: 2, store, ..Case::default() };
    let Some(failure) = look("no nonces", &case) else {
        panic!("{BOUND} steps did not notice that there are no nonces")
    };
    assert!(failure.violation.what.contains("after an update that was answered as written"), "{failure:?}");
    let with_nonces = Case { store: StoreProperties::KUBERNETES, ..failure.case };
    assert!(with_nonces.replay::<LeaseDisk>().is_ok(), "with nonces the same decisions do no harm");
}

#[test]
fn a_failure_shrinks_to_a_replay_file_that_still_fails() {
    let Some(failure) = find("R3") else { panic!("R3 is off, and nothing is noticed") };
    let long = failure.case.decisions.len();
    let short = failure.shrink::<LeaseDisk>(5_000);
    assert!(short.case.decisions.len() < long && short.case.decisions.len() < 60, "{}", short.case.decisions.len());
    assert!(short.violation.is_damage);
    let file = serde_json::to_vec(&short.case).unwrap_or_default();
    let again: Case = match serde_json::from_slice(&file) {
        Ok(case) => case,
        Err(error) => panic!("the replay file: {error}"),
    };
    assert_eq!(again, short.case);
    let Err(replayed) = again.replay::<LeaseDisk>() else { panic!("the replay file does not fail") };
    assert_eq!(replayed.violation, short.violation);
    for left_out in 0..again.decisions.len() {
        let mut shorter = again.clone();
        shorter.decisions.remove(left_out);
        assert!(shorter.replay::<LeaseDisk>().is_ok(), "decision {left_out} could have been left out");
    }
}
