//! Several ranges in a set, several sets, both families.

use gingham_tests::cni::{Cni, address, addresses};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only_with, bridged_with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

fn text(result: &Value) -> Vec<String> {
    addresses(result).iter().map(ToString::to_string).collect()
}

#[test]
fn dual_stack_from_container_to_gateway_and_neighbour() {
    let node = Node::new();
    let network = bridged_with(json!({"ipam": {
        "subnet": null,
        "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00:7::/64", "gateway": "fd00:7::ffff"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.99.0.0/16", "gw": "10.7.0.9", "priority": 7}],
    }}));
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(text(&result), ["10.7.0.2", "fd00:7::1"]);
    assert_eq!(c1.inside(|| kernel::addresses("eth0")), ["10.7.0.2/24", "fd00:7::1/64"]);
    let mut routes = c1.inside(|| kernel::routes("eth0"));
    routes.sort();
    assert_eq!(routes, ["0.0.0.0/0 via 10.7.0.1", "10.99.0.0/16 via 10.7.0.9", "::/0 via fd00:7::ffff"]);
    let priority = c1.inside(|| kernel::all_routes("eth0")).iter().find_map(|route| route.priority.filter(|p| *p == 7));
    assert_eq!(priority, Some(7));
    assert_eq!(kernel::addresses("cni0"), ["10.7.0.1/24", "fd00:7::ffff/64"]);
    for gateway in ["10.7.0.1", "fd00:7::ffff"] {
        kernel::reaches(&c1, gateway.parse().unwrap());
    }
    assert_eq!(text(&Cni::add(&network, &c2).run().result()), ["10.7.0.3", "fd00:7::2"]);
    assert_eq!(kernel::seen_by(&c2, "fd00:7::2".parse().unwrap(), &c1).to_string(), "fd00:7::1");
    Cni::check(&network, &c1, &result).run().succeeds();
    for container in [&c1, &c2] {
        Cni::del(&network, container).run().succeeds();
    }
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

/// The kernel joins the two default routes of IPv6 to one with two hops.
#[test]
fn two_interfaces_of_a_container_on_one_dual_stack_network() {
    let node = Node::new();
    let network = bridged_with(json!({"isDefaultGateway": true, "ipam": {
        "subnet": null, "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00:7::/64"}]],
    }}));
    let c1 = node.container("c1");
    let results = ["eth0", "eth1"].map(|name| Cni::add(&network, &c1).interface(name).run().result());
    for (name, result) in ["eth0", "eth1"].into_iter().zip(&results) {
        let routes = c1.inside(|| kernel::routes(name));
        assert!(routes.contains(&"::/0 via fd00:7::1".to_owned()), "{name}: {routes:?}");
        Cni::check(&network, &c1, result).interface(name).run().succeeds();
    }
}

#[test]
fn the_ranges_of_a_set_are_used_one_after_the_other() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {
        "subnet": null, "cooldown": "0",
        "ranges": [[
            {"subnet": "10.7.0.0/24", "rangeStart": "10.7.0.250"},
            {"subnet": "10.8.0.0/24", "rangeStart": "10.8.0.10", "rangeEnd": "10.8.0.11", "gateway": "10.8.0.10"},
        ]],
    }}));
    let mut got = Vec::new();
    for number in 0..6 {
        got.push(address(&Cni::add(&network, &node.container(&format!("c{number}"))).run().result()));
    }
    assert_eq!(got, ["10.7.0.250", "10.7.0.251", "10.7.0.252", "10.7.0.253", "10.7.0.254", "10.8.0.11"]);
    let fault = Cni::add(&network, &node.container("late")).run().fault();
    assert_eq!(fault.code, 103);
    assert!(
        fault.msg.contains("no IP addresses available in range set: 10.7.0.250-10.7.0.254,10.8.0.10-10.8.0.11"),
        "{fault:?}"
    );
}

#[test]
fn round_robin_goes_on_from_the_last_one_and_comes_round() {
    let node = Node::new();
    let network =
        addresses_only_with(json!({"ipam": {"rangeStart": "10.7.0.5", "rangeEnd": "10.7.0.7", "cooldown": "0"}}));
    let mut got = Vec::new();
    for number in 0..5 {
        let container = node.container(&format!("c{number}"));
        got.push(address(&Cni::add(&network, &container).run().result()));
        Cni::del(&network, &container).run().succeeds();
    }
    assert_eq!(got, ["10.7.0.5", "10.7.0.6", "10.7.0.7", "10.7.0.5", "10.7.0.6"]);
}

#[test]
fn a_set_that_is_full_costs_no_address_of_another() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"subnet": null, "ranges": [
        [{"subnet": "10.7.0.0/24"}], [{"subnet": "10.8.0.0/24", "rangeEnd": "10.8.0.2"}],
    ]}}));
    Cni::add(&network, &node.container("c1")).run().result();
    assert_eq!(Cni::add(&network, &node.container("c2")).run().fault().code, 103);
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2 10.8.0.2"]);
}

#[test]
fn two_addresses_of_a_family_cannot_be_told_in_the_oldest_versions() {
    let node = Node::new();
    let network = addresses_only_with(json!({"cniVersion": "0.2.0", "ipam": {"subnet": null, "ranges": [
        [{"subnet": "10.7.0.0/24"}], [{"subnet": "10.8.0.0/24"}],
    ]}}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn another_data_directory() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"dataDir": "/var/lib/elsewhere/leases"}}));
    Cni::add(&network, &node.container("c1")).run().result();
    assert_eq!(kernel::leases_in("/var/lib/elsewhere/leases".as_ref(), "mynet"), ["c1 eth0 10.7.0.2"]);
    assert!(!std::path::Path::new("/var/lib/gingham").exists());
}
