//! A policy that divides a range among nodes comes by an object: the node joins when it has it, keeps its blocks when it is replaced,
//! and keeps it when the next one refuses the network.

use std::fs;
use std::net::IpAddr;

use gingham_engine::library::Digest;
use gingham_kubernetes_tests::programs;
use gingham_tests::cni::{Cni, addresses};
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::policies_are_installed::{component, inline, object};
use crate::testbed::{NODE, Testbed};

const NETWORK: &str = "split";

fn configure() -> Value {
    let config = json!({
        "cniVersion": "1.1.0", "name": NETWORK, "type": "gingham", "bridge": "split0", "isGateway": true,
        "ipam": {"type": "gingham", "policy": "split", "range": "10.32.0.0/24", "blockSize": 28, "routing": "none",
            "cluster": {"store": "kubernetes"}},
    });
    fs::create_dir_all("/run/net.d").unwrap();
    fs::write("/run/net.d/split.conf", config.to_string()).unwrap();
    config
}

fn add(testbed: &Testbed, network: &Value, id: &str) -> IpAddr {
    let container = testbed.node.container(id);
    addresses(&Cni::add(network, &container).run().result())[0]
}

/// What the API has of blocks: CIDR, owner, incarnation.
fn blocks(testbed: &Testbed) -> Vec<(String, String, u64)> {
    let blocks = testbed.kubectl().get(&["addressblocks"]);
    let spec = |block: &Value| {
        let text = |key: &str| block["spec"][key].as_str().unwrap().to_owned();
        (text("cidr"), text("owner"), block["spec"]["incarnation"].as_u64().unwrap())
    };
    blocks["items"].as_array().unwrap().iter().map(spec).collect()
}

fn report(testbed: &Testbed) -> Value {
    let member = testbed.kubectl().get(&["networkmember", &format!("{NETWORK}.{NODE}")]);
    member["status"]["policies"][0].clone()
}

#[test]
fn a_node_joins_with_it_and_keeps_its_blocks_when_it_is_replaced() {
    if !programs::has_control_plane() {
        return;
    }
    let testbed = Testbed::new(&[]).with_members(&[]);
    let first = component("weave-split");
    // The same with a custom section of one byte, and so with another digest.
    let second = [&first[..], &[0, 2, 1, b'x']].concat();
    let (digest, next) = (Digest::of(&first).to_string(), Digest::of(&second).to_string());
    let rollout = json!({"rollout": {"minReadySeconds": 0}});
    let network = configure();
    let _agent = testbed.agent();
    // Without the policy there is nothing to join with.
    testbed.create(&object("split", &Digest::of(&first), &inline(&first), &rollout));
    testbed.until_condition("split", "Serving", "True", "AllNodes");
    assert_eq!((&report(&testbed)["digest"], &report(&testbed)["state"]), (&json!(digest), &json!("Serving")));
    let one = add(&testbed, &network, "one");
    let held = blocks(&testbed);
    let is_held = |address: &IpAddr| {
        held.iter().any(|(block, owner, _)| block.parse::<IpNet>().unwrap().contains(address) && owner == NODE)
    };
    assert!(is_held(&one), "{one}: {held:?}");

    testbed.change("split", &json!({"digest": next, "source": inline(&second)}));
    testbed.until_condition("split", "Serving", "True", "AllNodes");
    assert_eq!((&report(&testbed)["digest"], &report(&testbed)["before"]), (&json!(next), &json!(digest)));
    let two = add(&testbed, &network, "two");
    assert!(two != one && is_held(&two), "{two}: {held:?}");
    assert_eq!(blocks(&testbed), held, "nothing is claimed or written again");

    let quota = component("quota");
    testbed.change("split", &json!({"digest": Digest::of(&quota).to_string(), "source": inline(&quota)}));
    let refused = testbed.until_condition("split", "Serving", "False", "NodeFailed");
    assert!(refused["message"].as_str().unwrap().contains("network split cannot use it"), "{refused}");
    assert_eq!(
        (&report(&testbed)["reason"], &report(&testbed)["digest"]),
        (&json!("ConfigurationRefused"), &json!(next))
    );
    add(&testbed, &network, "three");
}
