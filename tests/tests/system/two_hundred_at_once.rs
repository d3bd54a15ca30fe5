//! Two hundred ADDs and DELs at once over four networks whose bridges are not there yet.

use std::collections::BTreeMap;

use gingham_tests::cni::{Cni, Running, addresses};
use gingham_tests::kernel;
use gingham_tests::networks::bridged_with;
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

/// Containers of each network.
const CROWD: usize = 50;

fn networks() -> Vec<Value> {
    let dual = json!([[{"subnet": "10.73.0.0/24"}], [{"subnet": "fd00:73::/64"}]]);
    vec![
        bridged_with(json!({"name": "one", "bridge": "br1", "ipam": {"subnet": "10.71.0.0/24"}})),
        bridged_with(json!({"name": "two", "bridge": "br2", "ipMasq": true, "ipam": {"subnet": "10.72.0.0/24"}})),
        bridged_with(json!({"name": "three", "bridge": "br3", "ipMasq": true, "mtu": 1400,
                            "ipam": {"subnet": null, "ranges": dual}})),
        // Two networks on one bridge: neither is its gateway.
        bridged_with(json!({"name": "four", "bridge": "br1", "isGateway": false, "ipam": {"subnet": "10.74.0.0/24"}})),
    ]
}

/// A container and the network it joins.
type Member = (Container, Value);

fn crowd(node: &Node, generation: &str) -> Vec<Member> {
    let networks = networks();
    let name = |network: &Value, number| format!("{generation}-{}-{number}", network["name"].as_str().unwrap());
    // Neighbours in time are of different networks.
    let pairs = (0..CROWD).flat_map(|number| networks.iter().map(move |network| (number, network)));
    pairs.map(|(number, network)| (node.container(&name(network, number)), network.clone())).collect()
}

/// All of them have their addresses and stand before bridges that are not there when they are let go, those of a bridge
/// one behind the other.
fn start_adds(members: &[Member]) -> Vec<Running> {
    let adds = members.iter().map(|(container, network)| Cni::add(network, container).failpoint("add.allocated=stop"));
    let adds: Vec<Running> = adds.map(|add| add.start()).collect();
    adds.iter().for_each(Running::await_halt);
    assert_eq!(kernel::links(), [""; 0]);
    let mut in_order: Vec<(&Member, &Running)> = members.iter().zip(&adds).collect();
    in_order.sort_by_key(|((_, network), _)| network["bridge"].to_string());
    for (_, add) in in_order {
        add.go_on();
    }
    adds
}

/// Everyone has the addresses that its result told, on its interface and in the records, and shares them with nobody.
fn all_have_what_they_were_told(members: &[Member], results: &[Value]) {
    let mut holders: BTreeMap<String, &str> = BTreeMap::new();
    let mut leases: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((container, network), result) in members.iter().zip(results) {
        let told: Vec<String> = addresses(result).iter().map(ToString::to_string).collect();
        for address in &told {
            assert_eq!(holders.insert(address.clone(), &container.id), None, "{address} has two holders");
        }
        let kernels = container.inside(|| kernel::addresses("eth0"));
        assert!(told.iter().all(|address| kernels.iter().any(|net| net.starts_with(&format!("{address}/")))));
        let name = network["name"].as_str().unwrap();
        leases.entry(name).or_default().push(format!("{} eth0 {}", container.id, told.join(" ")));
    }
    for (name, mut expected) in leases {
        expected.sort();
        assert_eq!(kernel::leases(name), expected);
    }
}

fn results(running: Vec<Running>) -> Vec<Value> {
    running.into_iter().map(|call| call.end().result()).collect()
}

#[test]
fn over_four_networks() {
    let node = Node::new();
    let first = crowd(&node, "a");
    let told = results(start_adds(&first));
    all_have_what_they_were_told(&first, &told);
    kernel::reaches(&first[0].0, "10.71.0.1".parse().unwrap());
    kernel::reaches(&first[1].0, "10.72.0.1".parse().unwrap());
    kernel::reaches(&first[2].0, "fd00:73::1".parse().unwrap());

    // Half of them go while as many others come.
    let half = first.len() / 2;
    let second: Vec<Member> = crowd(&node, "b").into_iter().take(half).collect();
    let mut coming = Vec::new();
    let mut going = Vec::new();
    for ((container, network), newcomer) in first[..half].iter().zip(&second) {
        going.push(Cni::del(network, container).start());
        coming.push(Cni::add(&newcomer.1, &newcomer.0).start());
    }
    let told_later = results(coming);
    for call in going {
        call.end().succeeds();
    }
    let present: Vec<Member> = first[half..].iter().chain(&second).cloned().collect();
    let known: Vec<Value> = told[half..].iter().chain(&told_later).cloned().collect();
    all_have_what_they_were_told(&present, &known);

    let leaving: Vec<Running> =
        present.iter().map(|(container, network)| Cni::del(network, container).start()).collect();
    for call in leaving {
        call.end().succeeds();
    }
    for network in networks() {
        let name = network["name"].as_str().unwrap();
        let left = kernel::traces(name, network["bridge"].as_str().unwrap());
        let bridges = ["link br1", "link br2", "link br3"];
        assert!(left.iter().all(|trace| bridges.contains(&trace.as_str())), "{name}: {left:?}");
    }
}
