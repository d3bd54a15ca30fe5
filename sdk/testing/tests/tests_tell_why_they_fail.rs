//! The test runner: what passes, what fails, and what a failure shows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod policy;

use std::time::Duration;

use gingham_testing::LogLevel;
use policy::{failure, network, with};
use serde_json::json;

#[test]
fn a_wrong_expectation_shows_request_answer_and_cost() {
    let text = failure(|| {
        let mut network = network("");
        network.add("web-1").pod("team-a", "web").args([("K", "V")]).pod_annotation("a", "b").expect("10.1.0.9/24");
    });
    for part in [
        "expected 10.1.0.9/24",
        "policy    obedient",
        "ADD web-1 eth0, pod team-a/web, K8S_POD_NAMESPACE=team-a, K8S_POD_NAME=web, K=V, annotation a=b, now 1767225600000",
        "config    {\"does\":\"\",\"subnet\":\"10.1.0.0/24\"}",
        "answer    10.1.0.2/24 via 10.1.0.1",
        " of 100000000 fuel, ",
        " host calls, ",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
}

#[test]
fn the_prefix_length_and_the_number_of_addresses_count() {
    assert!(failure(|| drop(network("").add("a").expect("10.1.0.2/16"))).contains("answer    10.1.0.2/24"));
    assert!(failure(|| drop(network("").add("a").expect("10.1.0.2/24 10.1.0.3/24"))).contains("answer"));
    assert!(failure(|| drop(network("").add("a").expect(""))).contains("answer"));
    assert!(failure(|| drop(network("").add("a").expect("10.1.0.2"))).contains("use an address and a prefix length"));
}

#[test]
fn a_refusal_is_expected_by_its_text() {
    assert_eq!(network("denies").add("a").expect_refused("nobody comes"), "policy obedient: nobody comes in here");
    let text = failure(|| drop(network("denies").add("a").expect_refused("somebody")));
    assert!(text.contains("expected a refusal with \"somebody\"") && text.contains("nobody comes in here"), "{text}");
    assert!(failure(|| drop(network("denies").add("a").granted())).contains("nobody comes in here"));
    assert!(failure(|| drop(network("").add("a").expect_refused(""))).contains("answer    10.1.0.2/24"));
}

#[test]
fn a_misbehaving_policy_fails_every_expectation() {
    for (does, says) in [
        ("panics", "on purpose, in two lines"),
        ("strays", "it answered 192.0.2.7, which is in none of this network's pools"),
        ("loops", "it used more than 3000000 fuel"),
    ] {
        let ipam = || with(json!({"does": does, "limits": {"fuel": 3_000_000}}));
        for text in [
            failure(|| drop(ipam().add("a").expect_refused(""))),
            failure(|| drop(ipam().add("a").expect("10.1.0.2/24"))),
            failure(|| drop(ipam().add("a").granted())),
        ] {
            assert!(text.contains(says), "{does}: {text}");
        }
        assert!(ipam().add("a").outcome().is_err());
    }
}

#[test]
fn the_log_of_a_failed_request_is_shown() {
    let text = failure(|| drop(network("explains").add("a").granted()));
    assert!(text.contains("info: 10.1.0.0 is a network, broadcast or gateway address"), "{text}");
    assert!(text.contains("error     policy obedient: explained (try again in 5.0 s)"), "{text}");
}

#[test]
fn problems_are_told_with_their_keys() {
    let mut complaining = network("complains");
    assert_eq!(complaining.problems(), ["subnet: is ugly", "all of it is"]);
    complaining.add("a").expect_refused("ipam.subnet: is ugly; all of it is");
    assert!(failure(|| drop(network("complains").pools())).contains("is ugly"));
    assert_eq!(network("").problems(), [""; 0]);
}

#[test]
fn time_and_seed_are_the_tests() {
    let draw = |seed| network("draws").add("a").seed(seed).granted().address();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));

    let mut cooling = network("");
    cooling.add("a").requested("10.1.0.9").expect("10.1.0.9/24");
    cooling.del("a");
    cooling.advance(Duration::from_secs(119));
    assert_eq!(cooling.room()[0].cooling, 1);
    cooling.advance(Duration::from_secs(1));
    cooling.add("b").granted();
    assert_eq!(cooling.room()[0].cooling, 0);
    cooling.set_now(5);
    assert_eq!(cooling.now(), 5);
}

#[test]
fn a_rehearsal_leaves_no_trace() {
    let mut network = network("");
    network.add("a").expect("10.1.0.2/24");
    assert_eq!(network.leases().len(), 1);
    network.add("a").expect_refused("duplicate allocation is not allowed");
    assert!(network.log().iter().all(|line| line.level < LogLevel::Warn));
}
