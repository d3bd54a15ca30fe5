//! CHECK notices what is no longer as ADD made it, GC takes away what nobody knows, STATUS says when an ADD would fail.

use gingham_net::address::DuplicateDetection;
use gingham_net::link::{self, BridgePort, Change, Which};
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

fn give_address(interface: &str, net: &str) {
    let index = kernel::link(interface).unwrap().index;
    let mut kernel = Socket::<Route>::open().unwrap();
    address::add(&mut kernel, index, net.parse().unwrap(), DuplicateDetection::Off).unwrap();
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

/// What is done to a container and its result.
type Deed = fn(&Container, &Value);

/// What others may do: plugins later in the chain, an administrator, the container itself.
#[test]
fn check_accepts_what_takes_nothing_away() {
    let deeds: [(&str, Deed); 8] = [
        ("another MTU", |c1, _| c1.inside(|| change("eth0", &Change { mtu: Some(1300), ..Change::default() }))),
        ("another MTU of the node's end", |_, result| {
            change(&host_end(result), &Change { mtu: Some(1300), ..Change::default() });
        }),
        ("another MAC", |c1, _| {
            let mac = Some("c2:00:00:00:00:07".parse().unwrap());
            c1.inside(|| change("eth0", &Change { mac, ..Change::default() }));
        }),
        ("another MAC of the bridge", |_, _| {
            let mac = Some("c2:00:00:00:00:08".parse().unwrap());
            change("cni0", &Change { mac, ..Change::default() });
        }),
        ("hairpin mode and isolation", |_, result| {
            let port = Some(BridgePort { hairpin: true, isolated: true });
            change(&host_end(result), &Change { port, ..Change::default() });
        }),
        ("another address", |c1, _| c1.inside(|| give_address("eth0", "10.99.0.1/24"))),
        ("the gateway with another prefix", |_, _| {
            take_address("cni0", "10.7.0.1/24");
            give_address("cni0", "10.7.0.1/16");
        }),
        ("another address of the bridge", |_, _| give_address("cni0", "10.99.0.1/24")),
    ];
    for (deed, act) in deeds {
        let node = Node::new();
        let c1 = node.container("c1");
        let result = Cni::add(&network(), &c1).run().result();
        act(&c1, &result);
        let outcome = Cni::check(&network(), &c1, &result).run();
        assert!(outcome.is_success(), "{deed}: {}", outcome.stdout());
    }
}

/// A later plugin of the chain says what it did: an MTU, a MAC, an address and a route of its own.
#[test]
fn check_accepts_what_a_later_plugin_says() {
    let node = Node::new();
    let c1 = node.container("c1");
    let mut result = Cni::add(&network(), &c1).run().result();
    let mac = "c2:00:00:00:00:07";
    c1.inside(|| {
        change("eth0", &Change { mtu: Some(1300), mac: Some(mac.parse().unwrap()), ..Change::default() });
        give_address("eth0", "10.99.0.1/24");
    });
    result["interfaces"][2]["mac"] = json!(mac);
    result["interfaces"][2]["mtu"] = json!(1300);
    result["ips"].as_array_mut().unwrap().push(json!({"interface": 2, "address": "10.99.0.1/24"}));
    result["routes"].as_array_mut().unwrap().push(json!({"dst": "10.99.0.0/24"}));
    Cni::check(&network(), &c1, &result).run().succeeds();
}

#[test]
fn check_accepts_another_path_to_the_same_namespace() {
    let node = Node::new();
    let c1 = node.container("c1");
    let mut result = Cni::add(&network(), &c1).run().result();
    std::os::unix::fs::symlink(&c1.netns, "/run/netns/again").unwrap();
    result["interfaces"][2]["sandbox"] = json!("/run/netns/again");
    Cni::check(&network(), &c1, &result).run().succeeds();
}

#[test]
fn check_misses_flags_that_were_wanted() {
    let node = Node::new();
    let wanted = with(network(), json!({"hairpinMode": true, "portIsolation": true}));
    let c1 = node.container("c1");
    let result = Cni::add(&wanted, &c1).run().result();
    change(&host_end(&result), &Change { port: Some(BridgePort::default()), ..Change::default() });
    let fault = Cni::check(&wanted, &c1, &result).run().fault();
    let said = format!("{}; {}", fault.msg, fault.details);
    assert!(said.contains("hairpinMode") && said.contains("portIsolation"), "{said}");
}

#[test]
fn check_misses_the_mac_that_was_asked_for() {
    let node = Node::new();
    let asked = with(network(), json!({"args": {"cni": {"mac": "c2:00:00:00:00:05"}}}));
    let c1 = node.container("c1");
    let result = Cni::add(&asked, &c1).run().result();
    Cni::check(&asked, &c1, &result).run().succeeds();
    c1.inside(|| change("eth0", &Change { mac: Some("c2:00:00:00:00:07".parse().unwrap()), ..Change::default() }));
    let fault = Cni::check(&asked, &c1, &result).run().fault();
    assert!(fault.msg.contains("c2:00:00:00:00:05 was requested"), "{fault:?}");
}

/// What an error advises is done, and CHECK is content.
#[test]
fn the_advice_of_check_cures() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    let advised = || Cni::check(&network(), &c1, &result).run().fault().msg;
    change(&host_end(&result), &Change { master: Some(0), up: Some(false), ..Change::default() });
    assert!(advised().contains(&format!("ip link set {} up", host_end(&result))), "{}", advised());
    change(&host_end(&result), &Change { up: Some(true), ..Change::default() });
    assert!(advised().contains(&format!("ip link set {} master cni0", host_end(&result))), "{}", advised());
    change(&host_end(&result), &Change { master: Some(kernel::link("cni0").unwrap().index), ..Change::default() });
    take_address("cni0", "10.7.0.1/24");
    assert!(advised().contains("the next ADD of the network adds it"), "{}", advised());
    Cni::add(&network(), &node.container("c2")).run().result();
    c1.inside(|| delete("eth0"));
    assert!(advised().contains("call DEL and then ADD"), "{}", advised());
    Cni::del(&network(), &c1).run().succeeds();
    let result = Cni::add(&network(), &c1).run().result();
    Cni::check(&network(), &c1, &result).run().succeeds();
}

#[test]
fn check_sees_the_link_pulled_out_of_the_bridge() {
    let said = check_after(|_, result| change(&host_end(result), &Change { master: Some(0), ..Change::default() }));
    assert!(said.contains("is not a port of the bridge cni0"), "{said}");
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

/// DEL alone works with what it gets.
#[test]
fn a_malformed_version_has_one_code_in_every_verb() {
    let node = Node::new();
    let c1 = node.container("c1");
    for version in ["v1.1.0", "1.1.0.0", "one", " 1.1.0"] {
        let network = with(network(), json!({"cniVersion": version}));
        let calls = [
            Cni::add(&network, &c1),
            Cni::check(&network, &c1, &json!({})),
            Cni::gc(&network, &[]),
            Cni::status(&network),
        ];
        for call in calls {
            let fault = call.run().fault();
            assert_eq!(fault.code, 6, "{version}: {fault:?}");
            assert!(fault.msg.contains(&format!("cniVersion: invalid version {version:?}")), "{fault:?}");
        }
        Cni::del(&network, &c1).run().succeeds();
    }
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

/// Kubernetes evicts even running pods from a node whose STATUS fails: full is not a reason.
#[test]
fn status_of_a_full_network() {
    let node = Node::new();
    let full = addresses_only_with(json!({"ipam": {"rangeEnd": "10.7.0.2"}}));
    let c1 = node.container("c1");
    Cni::add(&full, &c1).run().result();
    let outcome = Cni::status(&full).run();
    outcome.succeeds();
    assert!(outcome.stderr.contains("policy host-local: no address is left in"), "{}", outcome.stderr);
    Cni::del(&full, &c1).run().succeeds();
    assert_eq!(Cni::status(&full).run().stderr, "");
}

/// Values of capabilities come with ADD: STATUS gets none.
#[test]
fn status_of_a_network_whose_ranges_come_with_add() {
    let node = Node::new();
    let network = bridged_with(json!({"capabilities": {"ipRanges": true}, "ipam": {"subnet": null}}));
    Cni::status(&network).run().succeeds();
    let add = with(network.clone(), json!({"runtimeConfig": {"ipRanges": [[{"subnet": "10.7.0.0/24"}]]}}));
    Cni::add(&add, &node.container("c1")).run().result();
    Cni::status(&network).run().succeeds();
    let other_fault = with(network.clone(), json!({"ipam": {"routes": [{"dst": "nowhere"}]}}));
    assert_eq!(Cni::status(&other_fault).run().fault().code, 50, "that no range cures");
    let undeclared = with(network, json!({"capabilities": null}));
    assert_eq!(Cni::status(&undeclared).run().fault().code, 50, "nobody sends ranges for it");
}

#[test]
fn status_of_a_store_that_cannot_be_read() {
    let node = Node::new();
    Cni::add(&bridged(), &node.container("c1")).run().result();
    let file = std::fs::read_dir(gingham_tests::node::DATA).unwrap().flatten();
    let file = file.into_iter().find(|entry| entry.path().extension().is_some_and(|kind| kind == "mdb")).unwrap();
    std::fs::write(file.path(), vec![7; 65_536]).unwrap();
    assert_eq!(Cni::status(&bridged()).run().fault().code, 50);
}

#[test]
fn status_of_a_network_that_cannot_work() {
    let _node = Node::new();
    for (changes, code) in [
        (json!({"ipam": {"subnet": "10.7.0.0/99"}}), 50),
        (json!({"ipam": {"type": "gingham", "policy": "not-installed"}}), 50),
        (json!({"mtu": "x"}), 7),
        (json!({"cniVersion": "1.0.0"}), 1),
        (json!({"cniVersion": "one"}), 6),
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
