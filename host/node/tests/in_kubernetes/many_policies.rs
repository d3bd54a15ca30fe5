//! More objects `AllocationPolicy` than agents follow: the oldest are, the others say why not, and what an agent writes and keeps has a bound.

use std::fs;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use serde_json::{Value, json};

use crate::policies_are_installed::object;
use crate::testbed::{NODE, Testbed};

const MOST: usize = 128;

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn the_oldest_are_followed_and_the_others_say_why_not() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[NODE]);
    let source = json!({"volume": "/run/missing.wasm"});
    let of = |number: usize| object(&format!("policy-{number:04}"), &Digest::of(b"x"), &source, &json!({}));
    let objects: Vec<Value> = (0..MOST + 40).map(of).collect();
    testbed.create(&json!({"apiVersion": "v1", "kind": "List", "items": objects}));
    let agent = testbed.agent();
    let beyond = testbed.until_condition(&format!("policy-{:04}", MOST + 39), "Serving", "False", "Invalid");
    assert!(beyond["message"].as_str().unwrap().contains("128 are older"), "{beyond}");
    testbed.until_condition(&format!("policy-{:04}", MOST - 1), "Serving", "False", "NodeFailed");
    let member = testbed.kubectl().get(&["networkmembers", &format!("pods.{NODE}")]);
    assert_eq!(member["status"]["policies"].as_array().unwrap().len(), MOST);
    let resident = resident(agent.pid());
    assert!(resident < 256 << 20, "{resident} bytes");

    // One of them goes, and the next one is followed.
    testbed.kubectl().run(&["delete", "allocationpolicy", "policy-0000"]).stdout();
    testbed.until_condition(&format!("policy-{MOST:04}"), "Serving", "False", "NodeFailed");
}
