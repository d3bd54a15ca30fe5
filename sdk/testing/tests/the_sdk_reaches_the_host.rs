//! What the SDK offers, called from a component.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod policy;

use gingham_testing::LogLevel;
use policy::{failure, network, with};
use serde_json::json;

#[test]
fn notes_outlive_the_request_and_are_committed_with_the_lease() {
    let mut network = with(json!({"does": "stays", "cooldown": "0"}));
    network.add("a").pod("n", "db-0").expect("10.1.0.2/24");
    network.add("b").pod("n", "db-1").expect("10.1.0.3/24");
    assert_eq!(network.state("pod/db-1").as_deref(), Some("\"10.1.0.3\""));
    network.del("a");
    network.del("b");
    network.add("c").pod("n", "db-1").expect("10.1.0.3/24");
    network.add("d").pod("n", "db-1").expect("10.1.0.2/24");
}

#[test]
fn notes_of_another_form_are_no_notes() {
    let mut network = network("stays");
    network.set_state("pod/db-0", "garbage");
    network.add("a").pod("n", "db-0").expect("10.1.0.2/24");
}

#[test]
fn many_notes_are_listed_page_by_page() {
    let mut network = network("notes");
    let grant = network.add("a").granted();
    assert_eq!(grant.log.last().unwrap().message, "2499 keys, n/0000 to n/2499");
    assert_eq!(network.state_keys().len(), 2499);
}

#[test]
fn the_end_of_an_attachment_is_told() {
    let mut told = network("");
    told.add("a").pod("n", "db-0").expect("10.1.0.2/24");
    told.del("a");
    assert_eq!(told.state("ended").as_deref(), Some("[\"a\",[\"10.1.0.2\"],\"db-0\"]"));
    let text = failure(|| {
        let mut failing = network("fails to notice");
        failing.add("a").granted();
        failing.del("a");
    });
    assert!(text.contains("hook failed") && text.contains("what ended?"), "{text}");
}

#[test]
fn leases_are_seen_as_the_host_has_them() {
    let mut network = with(json!({"exclude": ["10.1.0.3"]}));
    network.add("a").pod("n", "db-0").expect("10.1.0.2/24");
    network.reconfigure(json!({"subnet": "10.1.0.0/24", "does": "explains", "exclude": ["10.1.0.3"]}));
    let before = network.log().len();
    let mut network = network.node("n-7", []);
    network.add("b").args([("K", "V")]).pod_annotation("a", "1").expect_refused("explained");
    let said: Vec<_> = network.log()[before..].iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (LogLevel::Info, "10.1.0.0 is a network, broadcast or gateway address"),
            (LogLevel::Info, "10.1.0.1 is a network, broadcast or gateway address"),
            (LogLevel::Info, "10.1.0.2 is leased"),
            (LogLevel::Warn, "held by a eth0 of Some(\"db-0\")"),
            (LogLevel::Info, "10.1.0.3 is excluded by the configuration"),
            (LogLevel::Debug, "1 used, 251 free, next 10.1.0.4 10.1.0.5"),
            (LogLevel::Debug, "Some(\"V\") on n-7, Known(\"1\")"),
        ]
    );
}

#[test]
fn an_answer_without_a_requested_address_is_refused_by_the_sdk() {
    network("ignores").add("a").requested("10.1.0.9").expect_refused("failed to allocate all requested IPs: 10.1.0.9");
    network("").add("a").requested("10.1.0.9").expect("10.1.0.9/24");
    network("").add("a").requested("10.1.0.1").expect_refused("requested IP address 10.1.0.1 is not available");
}

#[test]
fn a_bad_configuration_names_its_key() {
    let mut network = with(json!({"DOES": 5}));
    assert_eq!(network.problems(), ["DOES: found the number 5, expected a string"]);
}
