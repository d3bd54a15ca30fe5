//! `ipam.shadow`: a second policy answers the same requests. Its answers are compared and counted; it decides nothing, and
//! whatever it does, no ADD or DEL fails.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gingham_engine::ipam::ShadowCounters;
use gingham_engine::settings::default_data_dir;
use gingham_engine::store::Store;
use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

#[allow(clippy::needless_pass_by_value, reason = "so that a test can write it in place")]
fn honest_beside(shadow: Value) -> Value {
    guest("honest").install();
    addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null, "shadow": shadow}}))
}

fn counters() -> ShadowCounters {
    let store = Store::open_read_only(&default_data_dir()).unwrap().unwrap();
    ShadowCounters::read(&store.ledger("mynet").unwrap()).unwrap().unwrap()
}

/// agreed, differed, refused, rejected, failed
fn counts() -> [u64; 5] {
    let counters = counters();
    [counters.agreed, counters.differed, counters.refused, counters.rejected, counters.failed]
}

#[test]
fn one_that_agrees_is_counted_and_not_mentioned() {
    let node = Node::new();
    let network = honest_beside(json!("honest"));
    let outcome = Cni::add(&network, &node.container("c1")).run();
    assert_eq!((address(&outcome.result()).as_str(), outcome.stderr.as_str()), ("10.66.0.2", ""));
    assert_eq!(counts(), [1, 0, 0, 0, 0]);
    assert!(counters().policy.starts_with("honest@sha256:"));
}

#[test]
fn one_that_differs_is_logged_and_its_answer_is_not_used() {
    let node = Node::new();
    let other = json!({"policy": "host-local", "config": {"subnet": "10.66.0.0/24", "rangeStart": "10.66.0.50"}});
    let network = honest_beside(other);
    let outcome = Cni::add(&network, &node.container("c1")).run();
    assert_eq!(address(&outcome.result()), "10.66.0.2");
    let expected = "container c1 got 10.66.0.2/24, and the shadow would give 10.66.0.50/24";
    assert!(outcome.stderr.contains(expected) && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    assert_eq!(counts(), [0, 1, 0, 0, 0]);
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.66.0.2"]);
    let status: Value = serde_json::from_str(&status(&network, &["--json"])).unwrap();
    let shadow = &status["networks"][0]["shadow"];
    assert_eq!((&shadow["differed"], &shadow["agreed"]), (&json!(1), &json!(0)), "{status}");
    assert!(shadow["last"].as_str().unwrap().contains(expected), "{status}");
    let text = self::status(&network, &[]);
    assert!(text.contains("1 differed") && text.contains(expected), "{text}");
}

fn status(network: &Value, more: &[&str]) -> String {
    std::fs::create_dir_all("/run/net.d").unwrap();
    let mut network = network.clone();
    network["type"] = json!("gingham");
    std::fs::write("/run/net.d/10-mynet.conf", network.to_string()).unwrap();
    ctl(&[&["status", "--config-dir", "/run/net.d"], more].concat()).done()
}

#[test]
fn whatever_it_does_the_add_succeeds() {
    let cases = [
        ("panics", 4),
        ("executes_unreachable", 4),
        ("overflows_stack", 4),
        ("eats_memory", 4),
        ("asks_without_end", 4),
        ("loops_in_allocate", 4),
        ("loops_in_check_config", 4),
        ("panics_in_check_config", 4),
        ("hoards_answers", 4),
        ("logs_100_megabytes", 4),
        ("declares_no_pool", 4),
        ("finds_problems", 4),
        ("notes_and_panics", 4),
        ("reserves_and_panics", 4),
        ("refuses_for_good", 2),
        ("refuses_exhausted", 2),
        ("answers_outside", 3),
        ("answers_gateway", 3),
        ("answers_twice", 3),
        ("answers_nothing", 3),
        ("answers_257_routes", 3),
    ];
    for (name, column) in cases {
        let node = Node::new();
        guest(name).install();
        let network = honest_beside(json!(name));
        let started = Instant::now();
        let container = node.container("c1");
        let outcome = Cni::add(&network, &container).run();
        assert_eq!(address(&outcome.result()), "10.66.0.2", "{name}");
        assert!(started.elapsed() < Duration::from_secs(8), "{name}");
        assert!(outcome.stderr.contains(&format!("shadow {name}")), "{name}: {}", outcome.stderr);
        let mut expected = [0; 5];
        expected[column] = 1;
        assert_eq!(counts(), expected, "{name}: {}", outcome.stderr);
        assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.66.0.2"], "{name}");
        Cni::del(&network, &container).run().succeeds();
        assert_eq!(kernel::leases("mynet"), [""; 0], "{name}");
    }
}

#[test]
fn one_that_is_not_there_is_a_warning() {
    let node = Node::new();
    for (shadow, words) in [(json!("nowhere"), "unknown policy \"nowhere\""), (json!("no name"), "unknown policy")] {
        let outcome =
            Cni::add(&honest_beside(shadow.clone()), &node.container(&shadow.to_string().replace(['"', ' '], "")))
                .run();
        outcome.result();
        assert!(outcome.stderr.contains("warning") && outcome.stderr.contains(words), "{}", outcome.stderr);
        assert_eq!(counts(), [0, 0, 0, 0, 1]);
    }
}

#[test]
fn it_sees_what_the_first_policy_saw_and_keeps_its_own_state() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"cooldown": "0", "shadow": "host-local"}}));
    let add = |id: &str| address(&Cni::add(&network, &node.container(id)).run().result());
    assert_eq!([add("c1"), add("c2")], ["10.7.0.2", "10.7.0.3"]);
    Cni::del(&network, &Container { id: "c1".to_owned(), netns: PathBuf::new() }).without_netns().run().succeeds();
    // Without a state of its own it would give 10.7.0.2 again.
    assert_eq!(add("c3"), "10.7.0.4");
    assert_eq!(counts(), [3, 0, 0, 0, 0]);
    node.pretend_reboot("11111111-2222-4333-8444-555555555555");
    assert_eq!(add("after"), "10.7.0.5");
    assert_eq!(counts(), [4, 0, 0, 0, 0], "the counters and the state outlive a reboot");
}

#[test]
fn its_release_hook_is_called_and_may_fail() {
    let node = Node::new();
    for name in ["panics_in_release", "loops_in_release"] {
        guest(name).install();
        let network = honest_beside(json!(name));
        let container = node.container(name);
        Cni::add(&network, &container).run().result();
        let del = Cni::del(&network, &container).run();
        del.succeeds();
        assert!(del.stderr.contains(&format!("shadow {name}")), "{}", del.stderr);
        assert!(del.stderr.contains("its release hook failed"), "{}", del.stderr);
        assert_eq!(counts()[4], 1, "{name}");
    }
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn another_shadow_is_counted_from_zero() {
    let node = Node::new();
    let first = honest_beside(json!("honest"));
    Cni::add(&first, &node.container("c1")).run().result();
    let second =
        with(first, json!({"ipam": {"shadow": {"policy": "host-local", "config": {"subnet": "10.66.0.0/24"}}}}));
    Cni::add(&second, &node.container("c2")).run().result();
    let counters = counters();
    assert!(counters.policy.starts_with("host-local@sha256:"), "{counters:?}");
    assert_eq!(counters.agreed + counters.differed, 1);
}
