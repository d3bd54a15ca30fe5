//! CHECK notices what is no longer as ADD made it, GC takes away what nobody knows, STATUS says when an ADD would fail.

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, masquerade};
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, addresses_only_with, bridged, bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn network() -> Value {
    bridged_with(json!({"ipMasq": true, "mtu": 1400, "ipam": {"routes": [{"dst": "0.0.0.0/0"}]}}))
}

/// Attaches a container, breaks something, and gives what CHECK says of it.
fn check_after(damage: impl FnOnce(&Container, &Value)) -> String {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    Cni::check(&network(), &c1, &result).run().succeeds();
    damage(&c1, &result);
    let fault = Cni::check(&network(), &c1, &result).run().fault();
    assert_eq!(fault.code, 100, "{fault:?}");
    format!("{}; {}", fault.msg, fault.details)
}

fn change(name: &str, change: &Change<'_>) {
    link::change(&mut Socket::<Route>::open().unwrap(), Which::Name(name), change).unwrap();
}

fn delete(name: &str) {
    assert!(link::delete(&mut Socket::<Route>::open().unwrap(), Which::Name(name)).unwrap());
}

fn take_address(interface: &str, net: &str) {
    let index = kernel::link(interface).unwrap().index;
    assert!(address::delete(&mut Socket::<Route>::open().unwrap(), index, net.parse().unwrap()).unwrap());
}

fn host_end(result: &Value) -> String {
    result["interfaces"][1]["name"].as_str().unwrap().to_owned()
}

#[test]
fn check_misses_the_address() {
    let said = check_after(|c1, _| c1.inside(|| take_address("eth0", "10.7.0.2/24")));
    assert!(said.contains("interface eth0 lacks the address 10.7.0.2/24"), "{said}");
}

#[test]
fn check_misses_the_route() {
    let said = check_after(|c1, _| {
        c1.inside(|| {
            // Down and up again: the kernel forgets routes through a gateway.
            change("eth0", &Change { up: Some(false), ..Change::default() });
            change("eth0", &Change { up: Some(true), ..Change::default() });
        });
    });
    assert!(said.contains("the container lacks the route to 0.0.0.0/0"), "{said}");
}

#[test]
fn check_misses_the_interface() {
    let said = check_after(|c1, _| c1.inside(|| delete("eth0")));
    assert!(said.contains("interface eth0 is missing in the container"), "{said}");
}

#[test]
fn check_sees_the_interface_down() {
    let said = check_after(|c1, _| c1.inside(|| change("eth0", &Change { up: Some(false), ..Change::default() })));
    assert!(said.contains("interface eth0 in the container is down"), "{said}");
}

#[test]
fn check_sees_another_mtu() {
    let said = check_after(|c1, _| c1.inside(|| change("eth0", &Change { mtu: Some(1300), ..Change::default() })));
    assert!(said.contains("interface eth0 has MTU 1300, expected 1400"), "{said}");
}

#[test]
fn check_sees_another_mac() {
    let mac = "c2:00:00:00:00:07".parse().unwrap();
    let said = check_after(|c1, _| c1.inside(|| change("eth0", &Change { mac: Some(mac), ..Change::default() })));
    assert!(said.contains("interface eth0 has the hardware address c2:00:00:00:00:07"), "{said}");
}

#[test]
fn check_sees_the_link_pulled_out_of_the_bridge() {
    let said = check_after(|_, result| change(&host_end(result), &Change { master: Some(0), ..Change::default() }));
    assert!(said.contains("is no port of the bridge cni0"), "{said}");
}

#[test]
fn check_sees_the_bridge_without_the_gateway() {
    let said = check_after(|_, _| take_address("cni0", "10.7.0.1/24"));
    assert!(said.contains("10.7.0.1"), "{said}");
}

#[test]
fn check_misses_the_bridge() {
    let said = check_after(|_, _| delete("cni0"));
    assert!(said.contains("bridge cni0 is missing"), "{said}");
}

#[test]
fn check_misses_the_masquerade() {
    let said = check_after(|_, _| {
        masquerade::remove(&mut masquerade::open("mynet").unwrap(), "mynet", &["10.7.0.2".parse().unwrap()]).unwrap();
    });
    assert!(said.contains("masquerade"), "{said}");
}

#[test]
fn check_misses_the_lease() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    std::fs::remove_dir_all(gingham_tests::node::DATA).unwrap();
    let fault = Cni::check(&network(), &c1, &result).run().fault();
    assert_eq!(fault.code, 3, "{fault:?}");
}

#[test]
fn check_sees_a_result_that_is_not_ours() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    let mut other = result.clone();
    other["ips"][0]["address"] = json!("10.7.0.99/24");
    let fault = Cni::check(&network(), &c1, &other).run().fault();
    assert_eq!(fault.code, 3, "{fault:?}");
    assert!(fault.msg.contains("10.7.0.2"), "{fault:?}");
    let mut elsewhere = result;
    elsewhere["interfaces"][2]["sandbox"] = json!("/run/netns/other");
    assert_eq!(Cni::check(&network(), &c1, &elsewhere).run().fault().code, 100);
}

#[test]
fn check_needs_the_result_and_a_version_that_has_it() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    let fault = Cni::check(&network(), &c1, &Value::Null).run().fault();
    assert!(fault.msg.contains("prevResult"), "{fault:?}");
    let old = with(network(), json!({"cniVersion": "0.3.1"}));
    assert_eq!(Cni::check(&old, &c1, &result).run().fault().code, 1);
}

#[test]
fn gc_takes_away_what_is_not_listed_and_nothing_else() {
    let node = Node::new();
    let other = bridged_with(json!({"name": "another", "bridge": "cni1", "ipam": {"subnet": "10.8.0.0/24"}}));
    let containers = ["c1", "c2", "c3"].map(|id| node.container(id));
    for container in &containers {
        Cni::add(&network(), container).run().result();
    }
    Cni::add(&other, &containers[2]).interface("eth1").run().result();
    containers[1].vanish();
    Cni::gc(&network(), &[("c1", "eth0"), ("c3", "eth1")]).run().succeeds();
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.7.0.2"]);
    assert_eq!(containers[2].inside(kernel::links), ["eth1"], "the other network's interface stays");
    assert_eq!(kernel::leases("another"), ["c3 eth1 10.8.0.2"]);
    assert_eq!(kernel::masqueraded("mynet"), ["10.7.0.2"]);
    kernel::reaches(&containers[0], "10.7.0.1".parse().unwrap());
    Cni::gc(&network(), &[]).run().succeeds();
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    Cni::gc(&network(), &[]).run().succeeds();
}

#[test]
fn gc_collects_links_whose_lease_is_lost() {
    let node = Node::new();
    let c1 = node.container("c1");
    Cni::add(&network(), &c1).run().result();
    std::fs::remove_dir_all(gingham_tests::node::DATA).unwrap();
    Cni::gc(&network(), &[]).run().succeeds();
    assert_eq!(c1.inside(kernel::links), [""; 0]);
}

#[test]
fn gc_with_a_broken_list_takes_nothing_away() {
    let node = Node::new();
    Cni::add(&network(), &node.container("c1")).run().result();
    let mut broken = network();
    broken["cni.dev/valid-attachments"] = json!("all");
    assert_eq!(Cni::of("GC", &broken).run().fault().code, 7);
    assert_eq!(kernel::leases("mynet").len(), 1);
    let old = with(network(), json!({"cniVersion": "1.0.0"}));
    assert_eq!(Cni::gc(&old, &[]).run().fault().code, 1);
    assert_eq!(kernel::leases("mynet").len(), 1);
}

#[test]
fn status_of_a_ready_network() {
    let _node = Node::new();
    Cni::status(&bridged()).run().succeeds();
    Cni::status(&addresses_only()).run().succeeds();
    assert_eq!(kernel::links(), [""; 0]);
}

#[test]
fn status_of_a_full_network() {
    let node = Node::new();
    let full = addresses_only_with(json!({"ipam": {"rangeEnd": "10.7.0.2"}}));
    let c1 = node.container("c1");
    Cni::add(&full, &c1).run().result();
    let fault = Cni::status(&full).run().fault();
    assert_eq!(fault.code, 50, "{fault:?}");
    assert!(fault.msg.contains("policy host-local: no IPv4 address is left"), "{fault:?}");
    Cni::del(&full, &c1).run().succeeds();
    Cni::status(&full).run().succeeds();
}

#[test]
fn status_of_a_network_that_cannot_work() {
    let _node = Node::new();
    for (changes, code) in [
        (json!({"ipam": {"subnet": "10.7.0.0/99"}}), 50),
        (json!({"ipam": {"type": "gingham", "policy": "not-installed"}}), 50),
        (json!({"mtu": "x"}), 7),
        (json!({"cniVersion": "1.0.0"}), 1),
    ] {
        let fault = Cni::status(&bridged_with(changes.clone())).run().fault();
        assert_eq!(fault.code, code, "{changes}: {fault:?}");
    }
}

#[test]
fn version_and_about() {
    let _node = Node::new();
    let version = Cni::of("VERSION", &json!({})).program("gingham").run().result();
    assert_eq!(version["cniVersion"], "1.1.0");
    assert_eq!(version["supportedVersions"].as_array().unwrap().len(), 7);
    let about = Cni::of("VERSION", &json!({})).program("gingham").variable("CNI_COMMAND", "").run();
    about.succeeds();
    assert!(about.stderr.contains("CNI"), "{}", about.stderr);
}
