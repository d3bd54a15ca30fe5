//! A store that is down, slow or cut off: what is claimed goes on, what needs the store says so, and nothing hangs.

use std::time::{Duration, Instant};

use gingham_tests::cni::Cni;
use gingham_tests::nodes::Topology;
use serde_json::json;

use crate::testbed::{Testbed, has_etcd};

/// Well above the 5 seconds an ADD gives the store, on a loaded machine.
const BOUND: Duration = Duration::from_secs(15);

#[test]
fn adds_and_dels_go_on_from_what_is_claimed() {
    if !has_etcd() {
        return;
    }
    let mut testbed = Testbed::new(2, json!({}));
    testbed.add(1, "before");
    testbed.etcd.kill(0);
    let address = testbed.join(1, "meanwhile");
    testbed.leave(1, "before");
    testbed.leave(1, "meanwhile");
    assert_eq!(address.to_string(), "10.32.0.3");
    let network = testbed.network(testbed.nodes.node(1));
    let status = testbed.on(1, move |_| Cni::status(&network).run());
    assert!(status.is_success());
    assert!(status.stderr.contains("store"), "STATUS tells: {}", status.stderr);
    let newcomer = testbed.network(testbed.nodes.node(2));
    let status = testbed.on(2, move |_| Cni::status(&newcomer).run());
    assert_eq!(status.fault().code, 50, "no ADD can succeed there until the store is back");
    // Who never joined cannot begin without the store, and is told to try again.
    let start = Instant::now();
    let (_, outcome) = testbed.start_add(2, "new").end();
    let fault = outcome.fault();
    assert_eq!(fault.code, 11, "{fault:?}");
    assert!(fault.msg.contains(&testbed.etcd.endpoints()[0]), "names the endpoint: {fault:?}");
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    testbed.etcd.restart(0).unwrap();
    testbed.add(2, "new-2");
}

#[test]
fn after_a_reboot_without_the_store_nothing_is_handed_out() {
    if !has_etcd() {
        return;
    }
    let mut testbed = Testbed::new(1, json!({}));
    testbed.add(1, "before");
    testbed.etcd.kill(0);
    testbed.on(1, |node| node.pretend_reboot("aaaaaaaa-0000-4000-8000-000000000000"));
    let (_, outcome) = testbed.start_add(1, "after").end();
    assert_eq!(outcome.fault().code, 11);
    testbed.etcd.restart(0).unwrap();
    testbed.add(1, "after-2");
}

#[test]
fn a_full_block_without_the_store_says_why() {
    if !has_etcd() {
        return;
    }
    // Blocks of four addresses, and none rests: the network's own, the gateway, and two containers.
    let mut testbed = Testbed::new(1, json!({"ipam": {"range": "10.32.0.0/24", "blockSize": 30, "cooldown": "0"}}));
    testbed.add(1, "one");
    testbed.add(1, "two");
    testbed.etcd.freeze(0);
    let start = Instant::now();
    let (_, outcome) = testbed.start_add(1, "three").end();
    let fault = outcome.fault();
    assert_eq!(fault.code, 11, "{fault:?}");
    assert!(start.elapsed() < BOUND, "{:?}", start.elapsed());
    testbed.etcd.thaw(0);
    assert_eq!(testbed.join(1, "four").to_string(), "10.32.0.4");
}

#[test]
fn a_minority_of_the_store_may_be_gone() {
    if !has_etcd() {
        return;
    }
    let mut testbed = Testbed::joined(2, Topology::OneLink, 3, json!({}));
    testbed.add(1, "one");
    testbed.etcd.kill(0);
    testbed.add(2, "two");
    testbed.etcd.kill(1);
    testbed.add(1, "three");
    testbed.etcd.restart(0).unwrap();
    testbed.etcd.wait_until_healthy(&[0, 2]).unwrap();
    testbed.add(2, "four");
}

#[test]
fn a_node_that_is_cut_off_serves_what_it_has() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(2, json!({}));
    testbed.add(1, "one");
    testbed.nodes.node(1).connected(false);
    testbed.add(1, "two");
    testbed.nodes.node(1).connected(true);
    testbed.add(2, "three");
}
