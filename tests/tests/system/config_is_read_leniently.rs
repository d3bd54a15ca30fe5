//! Keys match whatever their case, `null` means the default, and unknown keys are somebody else's.

use gingham_tests::cni::{Cni, address};
use gingham_tests::guests::guest;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

#[test]
fn keys_in_any_case() {
    let node = Node::new();
    let network = json!({
        "CNIVERSION": "1.1.0", "Name": "mynet", "type": "gingham", "BRIDGE": "br7", "isgateway": true, "IPMASQ": true, "Mtu": 1400,
        "ipam": {"type": "host-local", "Subnet": "10.7.0.0/24", "RANGESTART": "10.7.0.40", "Exclude": ["10.7.0.40"]},
        "RuntimeConfig": {"MAC": "c2:11:22:33:44:55"},
    });
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.7.0.41");
    assert_eq!(kernel::addresses("br7"), ["10.7.0.1/24"]);
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.41"]);
    let eth0 = c1.inside(|| kernel::link("eth0")).unwrap();
    assert_eq!((eth0.mtu, eth0.mac.unwrap().to_string().as_str()), (1400, "c2:11:22:33:44:55"));
}

#[test]
fn null_is_the_default() {
    let node = Node::new();
    let mut network = bridged_with(json!({}));
    for key in
        ["bridge", "mtu", "ipMasq", "hairpinMode", "promiscMode", "dns", "runtimeConfig", "args", "vlan", "prevResult"]
    {
        network[key] = Value::Null;
    }
    for key in
        ["policy", "exclude", "cooldown", "dataDir", "limits", "routes", "ranges", "gateway", "resolvConf", "rangeEnd"]
    {
        network["ipam"][key] = Value::Null;
    }
    let c1 = node.container("c1");
    assert_eq!(address(&Cni::add(&network, &c1).run().result()), "10.7.0.2");
    assert_eq!(kernel::addresses("cni0"), ["10.7.0.1/24"]);
}

#[test]
fn unknown_keys_of_the_main_configuration_are_ignored() {
    let node = Node::new();
    let network = bridged_with(json!({"colour": "tartan", "capabilities": {"ips": true}, "nested": {"ipam": 7}}));
    assert_eq!(address(&Cni::add(&network, &node.container("c1")).run().result()), "10.7.0.2");
}

#[test]
fn the_policy_gets_all_of_ipam_but_the_hosts_keys() {
    let node = Node::new();
    guest("repeats_its_configuration").install();
    let network = addresses_only_with(json!({"ipam": {
        "type": "gingham", "Policy": "repeats_its_configuration", "subnet": null,
        "exclude": [], "COOLDOWN": "1s", "dataDir": "/var/lib/elsewhere", "limits": {},
        "colour": "tartan", "Nested": {"Key": [1, null]},
    }}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    let told = fault.msg.strip_prefix("policy repeats_its_configuration: ").unwrap_or_default();
    let told: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{fault:?}"));
    assert_eq!(told, json!({"colour": "tartan", "Nested": {"Key": [1, null]}}));
}

#[test]
fn ranges_of_the_runtime_reach_the_policy() {
    let node = Node::new();
    let network = addresses_only_with(json!({
        "ipam": {"subnet": null},
        "runtimeConfig": {"ipRanges": [[{"subnet": "10.9.0.0/24"}]]},
    }));
    assert_eq!(address(&Cni::add(&network, &node.container("c1")).run().result()), "10.9.0.2");
    let in_the_file = addresses_only_with(json!({"ipam": {"IPRanges": [[{"subnet": "10.9.0.0/24"}]]}}));
    assert_eq!(address(&Cni::add(&in_the_file, &node.container("c2")).run().result()), "10.7.0.2");
}
