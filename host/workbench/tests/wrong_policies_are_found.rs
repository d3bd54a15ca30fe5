//! Each policy of `tests/wrong-policies` has one bug; `check` finds it, and names the property that it breaks.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::time::Instant;

use gingham_engine::compile::Compiler;
use gingham_engine::runtime::Policy;
use gingham_workbench::cases;
use gingham_workbench::check::{Effort, Property, Subject, check};
use serde_json::{Value, json};

fn policy(name: &str) -> Policy {
    Compiler::new().unwrap().load(name, &wrong_policies::component(name)).unwrap()
}

/// Enough for each of them; a sequence has 20 steps on average.
fn effort() -> Effort {
    Effort { steps: 4_000, ..Effort::default() }
}

/// `says` is in the finding; `shows` is what `policy test` shows of the saved case.
#[track_caller]
fn breaks(name: &str, configurations: Vec<Value>, property: Property, says: &str, shows: &str) {
    let policy = policy(name);
    let begun = Instant::now();
    let report = check(&Subject::new(&policy, configurations), &effort()).unwrap();
    println!("{name}: {:?}, {:?}", begun.elapsed(), report.counts);
    let finding = report.finding.unwrap_or_else(|| panic!("{name} was not found: {:?}", report.counts));
    assert_eq!(finding.violation.property, property, "{}", finding.violation.message);
    assert!(finding.violation.message.contains(says), "{}", finding.violation.message);

    println!("{}", finding.case);
    let file = cases::read(&finding.case).unwrap_or_else(|error| panic!("{error}:\n{}", finding.case));
    let outcome = cases::run(&policy, &file, &finding.case, 0);
    let failure = outcome.failure.unwrap_or_else(|| panic!("the case passes:\n{}", finding.case));
    assert_eq!(failure.step, file.cases[0].get_ref().steps.len(), "{failure:?}\n{}", finding.case);
    let texts = failure.mismatches.iter().map(|found| format!("{}: {} / {}", found.what, found.expected, found.got));
    let text = texts.collect::<Vec<_>>().join("\n");
    assert!(text.contains(shows), "{text}\n{}", finding.case);
}

fn subnet() -> Vec<Value> {
    vec![json!({"subnet": "10.66.0.0/29"})]
}

#[test]
fn leases_that_are_counted_in_state() {
    breaks("counts_leases_in_state", subnet(), Property::FindsFreeAddresses, "free", "refused (exhausted)");
}

#[test]
fn state_of_ended_containers() {
    breaks(
        "keeps_state_of_ended_containers",
        subnet(),
        Property::Bounded,
        "its state has more keys",
        "state-keys: at most",
    );
}

#[test]
fn permanent_reservations() {
    breaks("reserves_permanently", subnet(), Property::FreesAll, "reserv", "reservations: nothing else / ");
}

#[test]
fn ignored_requests_for_an_address() {
    breaks(
        "ignores_requested_addresses",
        vec![json!({})],
        Property::RequestedAddresses,
        "ignored the requested address",
        "ignored the requested",
    );
}

#[test]
fn a_last_address_that_is_never_found() {
    let subnets = vec![json!({"subnets": ["10.66.0.0/29", "10.66.1.0/24"]})];
    breaks("misses_the_last_address", subnets, Property::FindsFreeAddresses, "1 free", "refused (exhausted)");
}

#[test]
fn a_search_that_comes_round_too_far() {
    breaks(
        "wraps_to_the_network_address",
        subnet(),
        Property::LegalAnswers,
        "network, broadcast or gateway",
        "gateway address",
    );
}

#[test]
fn cooling_addresses() {
    breaks("hands_out_cooling_addresses", subnet(), Property::LegalAnswers, "still cooling", "still cooling");
}

#[test]
fn a_family_left_out() {
    let subnets = vec![json!({"subnets": ["10.66.0.0/24", "fd00:66::/64"]})];
    breaks("drops_a_family_when_it_is_full", subnets, Property::Families, "without an IPv", "refused: exhausted / ");
}

#[test]
fn a_pod_name_taken_for_granted() {
    breaks("needs_a_pod_name", subnet(), Property::NoFaults, "every pod has a name", "every pod has a name");
}

#[test]
fn retries_that_are_refused() {
    breaks(
        "refuses_containers_that_come_back",
        subnet(),
        Property::Retries,
        "has an address already",
        "has an address already",
    );
}

#[test]
fn state_of_an_earlier_configuration() {
    let configurations = vec![json!({"subnet": "10.66.0.0/28"}), json!({"subnet": "10.66.0.0/29"})];
    breaks(
        "keeps_an_offset_across_configurations",
        configurations,
        Property::NoFaults,
        "one of the subnet",
        "one of the subnet",
    );
}

#[test]
fn a_label_that_only_the_policy_names() {
    breaks("gives_one_address_to_a_team", subnet(), Property::LegalAnswers, "leased", "leased");
}

#[test]
fn a_clock_taken_for_steady() {
    breaks("takes_the_clock_for_steady", subnet(), Property::NoFaults, "panicked", "panicked");
}
