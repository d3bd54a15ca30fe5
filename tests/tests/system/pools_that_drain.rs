//! One subnet drains while another takes over: containers of both have their gateway, and what no pool contains is as
//! foreign on the bridge as before.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use gingham_tests::cni::{Cni, address};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

const CONFIG_DIR: &str = "/run/net.d";

/// The configuration that the cookbook's recipe ends with.
fn recipe() -> Value {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/policies/cookbook.md");
    let page = fs::read_to_string(page).unwrap();
    let block = page.split("<!-- file: draining.json -->\n```json\n").nth(1).expect("the cookbook has draining.json");
    serde_json::from_str(block.split("\n```").next().unwrap()).unwrap()
}

/// The recipe's network with other ranges in its one set.
fn with_ranges(ranges: &Value) -> Value {
    with(recipe(), json!({"ipam": {"ranges": [ranges]}}))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn checked(network: &Value) -> String {
    let _ = fs::create_dir(CONFIG_DIR);
    let file = format!("{CONFIG_DIR}/network.conf");
    fs::write(&file, network.to_string()).unwrap();
    ctl(&["check-config", &file]).done()
}

#[test]
fn the_cookbooks_recipe_on_a_node() {
    let node = Node::new();
    let [before, draining, after] = [
        with_ranges(&json!([{"subnet": "10.68.1.0/24"}])),
        recipe(),
        with_ranges(&json!([{"subnet": "10.68.2.0/24"}])),
    ];
    let (old, new, newer) = (node.container("old"), node.container("new"), node.container("newer"));
    let result = Cni::add(&before, &old).run().result();
    assert_eq!(address(&result), "10.68.1.2");
    assert!(!checked(&draining).contains("problem"));
    assert_eq!(address(&Cni::add(&draining, &new).run().result()), "10.68.2.2");
    assert_eq!(kernel::addresses("moving0"), ["10.68.1.1/24", "10.68.2.1/24"]);
    for (container, gateway) in [(&old, "10.68.1.1"), (&new, "10.68.2.1")] {
        kernel::reaches(container, ip(gateway));
    }
    assert_eq!(kernel::seen_by(&new, ip("10.68.2.2"), &old), ip("10.68.1.2"), "the node forwards between the subnets");
    Cni::check(&draining, &old, &result).run().succeeds();

    Cni::del(&draining, &old).run().succeeds();
    assert_eq!(address(&Cni::add(&after, &newer).run().result()), "10.68.2.3");
    kernel::reaches(&newer, ip("10.68.2.1"));
    let told = checked(&after);
    assert!(told.contains("ip address delete 10.68.1.1/24 dev moving0"), "{told}");
    let status = ctl(&["status", "--config-dir", CONFIG_DIR]).done();
    assert!(status.contains("ip address delete 10.68.1.1/24 dev moving0"), "{status}");
}

/// Also with `forceAddress`, which replaces what is foreign.
#[test]
fn force_address_leaves_the_gateway_of_the_pool_that_drains() {
    let node = Node::new();
    let (old, new) = (node.container("old"), node.container("new"));
    Cni::add(&with_ranges(&json!([{"subnet": "10.68.1.0/24"}])), &old).run().result();
    kernel::add_address("moving0", "192.0.2.1/24");
    let fault = Cni::add(&recipe(), &new).run().fault();
    assert!(fault.msg.contains("already has an IP address different from 10.68.2.1/24: 192.0.2.1/24"), "{fault:?}");
    Cni::add(&with(recipe(), json!({"forceAddress": true})), &new).run().result();
    assert_eq!(kernel::addresses("moving0"), ["10.68.1.1/24", "10.68.2.1/24"]);
    kernel::reaches(&old, ip("10.68.1.1"));
}

/// Two subnets of a set, none of which drains: the second takes over when the first is full.
#[test]
fn the_second_subnet_of_a_set_has_its_gateway_too() {
    let node = Node::new();
    let network = with_ranges(&json!([{"subnet": "10.68.1.0/30"}, {"subnet": "10.68.2.0/24"}]));
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.68.1.2");
    assert_eq!(address(&Cni::add(&network, &c2).run().result()), "10.68.2.2");
    for (container, gateway) in [(&c1, "10.68.1.1"), (&c2, "10.68.2.1")] {
        kernel::reaches(container, ip(gateway));
    }
}

#[test]
fn a_subnet_that_is_gone_from_the_configuration_is_foreign() {
    let node = Node::new();
    let (old, new) = (node.container("old"), node.container("new"));
    Cni::add(&with_ranges(&json!([{"subnet": "10.68.1.0/24"}])), &old).run().result();
    let fault = Cni::add(&with_ranges(&json!([{"subnet": "10.68.2.0/24"}])), &new).run().fault();
    assert_eq!(fault.code, 100, "{fault:?}");
    assert!(fault.msg.contains("10.68.1.1/24"), "{fault:?}");
    assert_eq!(kernel::addresses("moving0"), ["10.68.1.1/24"]);
}

/// The node's address is on an interface in the VLAN there.
#[test]
fn in_a_vlan() {
    let node = Node::new();
    let in_vlan = |network: Value| with(network, json!({"vlan": 100}));
    kernel::add_bridge("probe", "192.0.2.1/32");
    if kernel::link("probe").unwrap().vlans.is_none() {
        // What such a kernel refuses is tested with the VLANs; the same function puts the addresses there.
        kernel::add_bridge("moving0", "10.68.1.1/24");
        let fault = Cni::add(&in_vlan(recipe()), &node.container("new")).run().fault();
        assert!(fault.msg.contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{fault:?}");
        return;
    }
    let (old, new) = (node.container("old"), node.container("new"));
    Cni::add(&in_vlan(with_ranges(&json!([{"subnet": "10.68.1.0/24"}]))), &old).run().result();
    Cni::add(&in_vlan(recipe()), &new).run().result();
    assert_eq!(kernel::addresses("moving0.100"), ["10.68.1.1/24", "10.68.2.1/24"]);
    kernel::reaches(&old, ip("10.68.1.1"));
}

#[test]
fn a_bridge_with_all_gateways_gets_no_advice() {
    let node = Node::new();
    let network = bridged_with(json!({}));
    Cni::add(&network, &node.container("c1")).run().result();
    assert!(!checked(&network).contains("ip address delete"));
}
