//! Two rules of the host, for every policy: excluded addresses are never given, and a freed one rests.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use gingham_tests::cni::{Cni, Outcome, address};
use gingham_tests::ctl::ctl;
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn range(first: &str, last: &str, more: &Value) -> Value {
    with(addresses_only_with(json!({"ipam": {"rangeStart": first, "rangeEnd": last}})), json!({"ipam": more}))
}

fn add(node: &Node, network: &Value, id: &str) -> Outcome {
    Cni::add(network, &node.container(id)).run()
}

fn del(network: &Value, id: &str) {
    let container = Container { id: id.to_owned(), netns: PathBuf::new() };
    Cni::del(network, &container).without_netns().run().succeeds();
}

#[test]
fn excluded_addresses_prefixes_and_ranges_are_skipped() {
    let node = Node::new();
    let exclude = json!({"exclude": ["10.7.0.2", "10.7.0.4/31", "10.7.0.7-10.7.0.9"]});
    let network = range("10.7.0.1", "10.7.0.10", &exclude);
    let got: Vec<String> = (0..3).map(|n| address(&add(&node, &network, &format!("c{n}")).result())).collect();
    assert_eq!(got, ["10.7.0.3", "10.7.0.6", "10.7.0.10"]);
    let fault = add(&node, &network, "late").fault();
    assert_eq!(fault.code, 103, "{fault:?}");
}

#[test]
fn a_policy_of_ones_own_is_bound_by_them_too() {
    let node = Node::new();
    guest("honest").install();
    let own = json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null, "exclude": ["10.66.0.0/28"]}});
    let network = addresses_only_with(own);
    assert_eq!(address(&add(&node, &network, "c1").result()), "10.66.0.16");
    del(&network, "c1");
    assert_eq!(address(&add(&node, &network, "c2").result()), "10.66.0.17", "the first free one still rests");
}

#[test]
fn a_freed_address_rests_by_default() {
    let node = Node::new();
    guest("honest").install();
    let network = addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null}}));
    assert_eq!(address(&add(&node, &network, "c1").result()), "10.66.0.2");
    del(&network, "c1");
    assert_eq!(address(&add(&node, &network, "c2").result()), "10.66.0.3");
}

#[test]
fn without_a_cooldown_nothing_rests() {
    let node = Node::new();
    guest("honest").install();
    let network =
        addresses_only_with(json!({"ipam": {"type": "gingham", "policy": "honest", "subnet": null, "cooldown": "0"}}));
    for id in ["c1", "c2"] {
        let outcome = add(&node, &network, id);
        assert_eq!(address(&outcome.result()), "10.66.0.2");
        assert_eq!(outcome.stderr, "");
        del(&network, id);
    }
}

#[test]
fn when_nothing_else_is_free_the_longest_rested_is_used_and_a_line_says_so() {
    let node = Node::new();
    let network = range("10.7.0.5", "10.7.0.7", &json!({}));
    for id in ["c5", "c6", "c7"] {
        assert_eq!(address(&add(&node, &network, id).result()), format!("10.7.0.{}", &id[1..]));
    }
    for id in ["c6", "c7"] {
        del(&network, id);
    }
    let outcome = add(&node, &network, "late");
    assert_eq!(address(&outcome.result()), "10.7.0.6", "freed before 10.7.0.7");
    let expected = "gingham: warning: policy host-local: network mynet: 10.7.0.6 is in use again after ";
    assert!(outcome.stderr.starts_with(expected), "{}", outcome.stderr);
    assert!(outcome.stderr.ends_with(": no other address of its pool was free\n"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1);
    assert_eq!(address(&add(&node, &network, "later").result()), "10.7.0.7");
    assert_eq!(add(&node, &network, "last").fault().code, 103);
    assert_eq!(kernel::leases("mynet").len(), 3);
}

#[test]
fn a_rest_ends() {
    let node = Node::new();
    let network = range("10.7.0.5", "10.7.0.5", &json!({"cooldown": "50ms"}));
    let deadline = Instant::now() + Duration::from_secs(20);
    for turn in 0.. {
        let id = format!("c{turn}");
        let outcome = add(&node, &network, &id);
        assert_eq!(address(&outcome.result()), "10.7.0.5");
        if turn > 0 && outcome.stderr.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "the address still rests: {}", outcome.stderr);
        del(&network, &id);
        let freed = Instant::now();
        // The later the turn, the longer the address is left alone.
        while freed.elapsed() < Duration::from_millis(20 * turn) {
            std::thread::yield_now();
        }
    }
}

#[test]
fn networks_on_two_links_share_no_rest_and_no_lease() {
    let node = Node::new();
    let one = with(range("10.7.0.5", "10.7.0.5", &json!({})), json!({"bridge": "br1"}));
    let other = with(one.clone(), json!({"name": "another", "bridge": "br2"}));
    let c1 = node.container("c1");
    for network in [&one, &other] {
        assert_eq!(address(&Cni::add(network, &c1).run().result()), "10.7.0.5");
    }
    del(&one, "c1");
    assert_eq!(kernel::leases("another"), ["c1 eth0 10.7.0.5"]);
}

#[test]
fn status_names_what_is_draining_full_or_unknown() {
    let node = Node::new();
    std::fs::create_dir_all("/run/net.d").unwrap();
    let ranges = json!([[{"subnet": "10.7.0.0/29"}, {"subnet": "10.8.0.0/28", "draining": true}]]);
    let network = gingham_tests::networks::bridged_with(json!({"ipam": {"subnet": null, "ranges": ranges}}));
    std::fs::write("/run/net.d/10-mynet.conf", network.to_string()).unwrap();
    let status = |more: &[&str]| ctl(&[&["status", "--config-dir", "/run/net.d"], more].concat());
    let said = status(&[]).done();
    assert!(said.contains("are draining: they are not handed out"), "{said}");
    assert!(!said.contains("no address is left"), "{said}");
    for number in 0..5 {
        add(&node, &network, &format!("c{number}")).result();
    }
    let said = status(&["--network", "mynet"]).done();
    assert!(said.contains("mynet: no address is left in "), "{said}");
    let said = status(&["--network", "nosuch"]).failed();
    assert!(said.contains("no network \"nosuch\" on this node (networks: mynet)"), "{said}");
}

#[test]
fn an_unknown_key_of_the_policy_is_not_mentioned_at_each_add() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"cooldwon": "9s"}}));
    let outcome = add(&node, &network, "c1");
    outcome.result();
    assert_eq!(outcome.stderr, "");
}
