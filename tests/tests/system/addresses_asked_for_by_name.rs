//! An address that the runtime asks for by name is granted or the request is refused: by all three ways of asking.

use gingham_tests::cni::{Cni, address, addresses};
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, addresses_only_with};
use gingham_tests::node::Node;
use serde_json::json;

#[test]
fn three_ways_of_asking() {
    let node = Node::new();
    let by_args = Cni::add(&addresses_only(), &node.container("c1")).args("IgnoreUnknown=1;IP=10.7.0.50");
    assert_eq!(address(&by_args.run().result()), "10.7.0.50");
    let conventions = addresses_only_with(json!({"args": {"cni": {"ips": ["10.7.0.60"]}}}));
    assert_eq!(address(&Cni::add(&conventions, &node.container("c2")).run().result()), "10.7.0.60");
    let capability = addresses_only_with(json!({"runtimeConfig": {"ips": ["10.7.0.70/24"]}}));
    assert_eq!(address(&Cni::add(&capability, &node.container("c3")).run().result()), "10.7.0.70");
}

#[test]
fn one_of_each_family() {
    let node = Node::new();
    let network = addresses_only_with(json!({
        "runtimeConfig": {"ips": ["fd00:7::70", "10.7.0.70"]},
        "ipam": {"subnet": null, "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00:7::/64"}]]},
    }));
    let got = addresses(&Cni::add(&network, &node.container("c1")).run().result());
    assert_eq!(got, ["10.7.0.70".parse::<std::net::IpAddr>().unwrap(), "fd00:7::70".parse().unwrap()]);
}

#[test]
fn what_cannot_be_had_is_refused() {
    let node = Node::new();
    let wish = |ip: &str| addresses_only_with(json!({"runtimeConfig": {"ips": [ip]}}));
    let c1 = node.container("c1");
    Cni::add(&wish("10.7.0.50"), &c1).run().result();
    let cases = [
        ("leased", "10.7.0.50"),
        ("gateway", "10.7.0.1"),
        ("network", "10.7.0.0"),
        ("broadcast", "10.7.0.255"),
        ("outside", "192.0.2.7"),
        ("otherfamily", "fd00::7"),
    ];
    for (why, ip) in cases {
        let fault = Cni::add(&wish(ip), &node.container(why)).run().fault();
        assert_eq!(fault.code, 103, "{why}: {fault:?}");
        assert!(fault.msg.contains("host-local") && fault.msg.contains(ip), "{why}: {fault:?}");
    }
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.50"]);
}

#[test]
fn excluded_addresses_are_not_had_even_by_name() {
    let node = Node::new();
    let network = addresses_only_with(json!({"ipam": {"exclude": ["10.7.0.50"]}}));
    let fault = Cni::add(&network, &node.container("c1")).args("IP=10.7.0.50").run().fault();
    assert_eq!(fault.code, 103, "{fault:?}");
    assert!(fault.msg.contains("10.7.0.50"), "{fault:?}");
}

#[test]
fn a_resting_address_is_had_by_name_and_a_log_line_says_so() {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::add(&addresses_only(), &c1).args("IP=10.7.0.50").run().result();
    Cni::del(&addresses_only(), &c1).run().succeeds();
    let again = Cni::add(&addresses_only(), &c1).args("IP=10.7.0.50").run();
    assert_eq!(address(&again.result()), "10.7.0.50");
    assert!(again.stderr.contains("10.7.0.50 is in use again"), "{}", again.stderr);
}
