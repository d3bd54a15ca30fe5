//! A history is replayed as it was, and shows where another policy answers differently.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::history::{
    Ended, Event, FORMAT, History, Line, Outcome, RecordedPolicy, RecordedRequest, Refused, Requested, Snapshot, Start,
};
use gingham_engine::ipam::IpamError;
use gingham_engine::runtime::Policy;
use gingham_workbench::Scenario;
use gingham_workbench::check::Subject;
use gingham_workbench::compare::{compare, compare_generated};
use gingham_workbench::replay::{Verdict, replay};
use serde_json::{Value, json};

fn policy(name: &str) -> Policy {
    gingham_testing::policy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies").join(name))
}

fn subnet() -> Value {
    json!({"type": "gingham", "subnet": "10.66.0.0/28", "cooldown": "10s"})
}

/// What a node records while containers come and go until the subnet is full.
fn recorded(policy: &Policy, ipam: &Value) -> String {
    let mut scenario = Scenario::new(policy, ipam.clone()).unwrap();
    let start = Start {
        format: FORMAT,
        network: "test".to_owned(),
        node: "node-1".to_owned(),
        boot: "one".to_owned(),
        policy: RecordedPolicy { name: policy.name().to_owned(), digest: None },
        ipam: ipam.as_object().unwrap().clone(),
        ..Start::default()
    };
    let mut events = vec![Event::Start(start), Event::Snapshot(Snapshot { complete: true, ..Snapshot::default() })];
    for number in 0..40_u64 {
        let container = format!("c{number}");
        let request = scenario.request(&container);
        let result = scenario.add(&request).unwrap().result;
        let outcome = match &result {
            Ok(result) => Outcome::Granted(result.answer.clone()),
            Err(IpamError::Refused { refusal, .. }) => Outcome::Refused(Refused::from(refusal)),
            Err(error) => Outcome::Failed { message: error.to_string() },
        };
        let request = RecordedRequest::new(&request, &scenario.context(), None);
        events.push(Event::Request(Box::new(Requested::new(request, outcome))));
        if number % 3 == 0 {
            let ended = format!("c{}", number / 2);
            let key = AttachmentKey { container_id: ended.clone(), interface: "eth0".to_owned() };
            let addresses = scenario.del(&key).result.unwrap().addresses;
            let (interface, by) = ("eth0".to_owned(), "DEL".to_owned());
            let now = scenario.now();
            let ended =
                Ended { container_id: ended, interface, addresses, was_used: true, by, now, ..Ended::default() };
            events.push(Event::End(ended));
        }
        scenario.advance(std::time::Duration::from_secs(4));
    }
    text(events)
}

fn text(events: Vec<Event>) -> String {
    let line = |(order, event)| Line { at: 0, order, event, config: "one".to_owned() };
    let lines = (0..).zip(events).map(line);
    lines.map(|line| serde_json::to_string(&line).unwrap() + "\n").collect()
}

fn read(text: &str) -> History {
    History::read(text.as_bytes()).unwrap()
}

#[test]
fn the_recorded_policy_answers_as_recorded() {
    for name in ["host-local", "random"] {
        let policy = policy(name);
        let replay = replay(&read(&recorded(&policy, &subnet())), &policy, None).unwrap();
        assert_eq!(replay.verdicts.get(&Verdict::Same), Some(&40), "{name}: {:?}", replay.verdicts);
        assert_eq!((replay.differences(), replay.requests, replay.ends), (0, 40, 14), "{name}");
        assert!(replay.notes.is_empty(), "{:?}", replay.notes);
    }
}

#[test]
fn another_policy_differs_where_it_differs_and_goes_on_with_the_recorded_leases() {
    let history = read(&recorded(&policy("host-local"), &subnet()));
    let replay = replay(&history, &policy("hashed"), None).unwrap();
    let first = &replay.divergences[0];
    assert_eq!(first.verdict, Verdict::OtherAddresses);
    assert_eq!((first.request_number, first.first.as_str()), (1, "10.66.0.2/28 via 10.66.0.1"));
    assert!(!replay.verdicts.contains_key(&Verdict::OtherOutcome), "full at the same time: {:?}", replay.verdicts);
    assert!(replay.verdicts[&Verdict::OtherWords] > 0, "refused in other words: {:?}", replay.verdicts);
}

#[test]
fn another_configuration_differs_in_routes_or_addresses() {
    let policy = policy("host-local");
    let history = read(&recorded(&policy, &subnet()));
    let with_routes = json!({"subnet": "10.66.0.0/28", "cooldown": "10s", "routes": [{"dst": "10.0.0.0/8"}]});
    let replay = replay(&history, &policy, Some(&with_routes)).unwrap();
    assert_eq!(replay.divergences[0].verdict, Verdict::OtherRoutes);
    assert!(replay.divergences[0].second.contains("route 10.0.0.0/8"), "{}", replay.divergences[0].second);
}

#[test]
fn a_changed_record_is_the_first_difference() {
    let policy = policy("host-local");
    let changed = recorded(&policy, &subnet()).replacen("10.66.0.9/28", "10.66.0.9/24", 1);
    let replay = replay(&read(&changed), &policy, None).unwrap();
    let first = &replay.divergences[0];
    assert!(first.first.starts_with("10.66.0.9/24") && first.second.starts_with("10.66.0.9/28"), "{first:?}");
    assert_eq!((first.verdict, replay.differences()), (Verdict::OtherRoutes, 1));
}

#[test]
fn histories_that_are_less_than_what_happened_say_so() {
    let policy = policy("host-local");
    let whole = recorded(&policy, &subnet());
    let torn = replay(&read(&whole[..whole.len() - 20]), &policy, None).unwrap();
    assert_eq!(torn.notes, ["the last line is not complete and was left out"]);
    let partial = whole.replacen("\"complete\":true", "\"complete\":false", 1);
    let partial = replay(&read(&partial), &policy, None).unwrap();
    assert!(partial.notes[0].contains("snapshot"), "{:?}", partial.notes);
    let only_start = whole.lines().next().unwrap().to_owned() + "\n";
    let nothing = replay(&read(&only_start), &policy, None).unwrap();
    assert_eq!(nothing.notes, ["the history has no request"]);
}

#[test]
fn two_policies_are_compared_over_a_recorded_history() {
    let (host_local, random) = (policy("host-local"), policy("random"));
    let history = read(&recorded(&host_local, &subnet()));
    let same = compare(&history, [&host_local, &host_local], None).unwrap();
    assert_eq!((same.differences(), same.requests), (0, 40));
    let other = compare(&history, [&host_local, &random], None).unwrap();
    assert!(other.differences() > 5, "{:?}", other.verdicts);
    assert_eq!(other.divergences.len(), other.differences());
}

#[test]
fn two_policies_are_compared_over_a_generated_history() {
    let (host_local, random) = (policy("host-local"), policy("random"));
    let subject = Subject::new(&host_local, vec![subnet()]);
    let same = compare_generated(&subject, &host_local, 400, 7).unwrap();
    assert_eq!(same.differences(), 0, "{:?}", same.divergences.first());
    assert!(same.requests > 200 && same.ends > 50, "{same:?}");
    let other = compare_generated(&subject, &random, 400, 7).unwrap();
    assert_eq!(other.requests, same.requests, "the second policy has no influence on the history");
    assert!(other.differences() > 50, "{:?}", other.verdicts);
    let outcomes = other.verdicts.get(&Verdict::OtherOutcome);
    assert_eq!(outcomes, None, "both find the last free address: {:?}", other.divergences.first());
}
