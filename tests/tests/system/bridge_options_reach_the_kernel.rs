//! Each option of the bridge and the container's interface, read back from the kernel.

use gingham_net::netlink::{Route, Socket};
use gingham_net::{address, sysctl};
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged, bridged_with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

fn join(changes: Value) -> (Node, Container, Value) {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&bridged_with(changes), &c1).run().result();
    (node, c1, result)
}

/// The node's end of the container's link.
fn host_end(result: &Value) -> gingham_net::link::Link {
    kernel::link(result["interfaces"][1]["name"].as_str().unwrap()).unwrap()
}

fn eth0(container: &Container) -> gingham_net::link::Link {
    container.inside(|| kernel::link("eth0")).unwrap()
}

#[test]
fn mtu() {
    let (_node, c1, result) = join(json!({"mtu": 1400}));
    assert_eq!((eth0(&c1).mtu, host_end(&result).mtu, kernel::link("cni0").unwrap().mtu), (1400, 1400, 1400));
}

#[test]
fn the_kernels_mtu_without_one() {
    let (_node, c1, _) = join(json!({}));
    assert_eq!(eth0(&c1).mtu, 1500);
}

#[test]
fn hairpin_mode() {
    let port = |changes| host_end(&join(changes).2).port.unwrap();
    assert!(port(json!({"hairpinMode": true})).hairpin);
    assert!(!port(json!({})).hairpin);
}

#[test]
fn port_isolation() {
    let port = |changes| host_end(&join(changes).2).port.unwrap();
    assert!(port(json!({"portIsolation": true})).isolated);
    assert!(!port(json!({})).isolated);
}

#[test]
fn promisc_mode() {
    join(json!({"promiscMode": true}));
    assert!(kernel::link("cni0").unwrap().promiscuous);
    join(json!({}));
    assert!(!kernel::link("cni0").unwrap().promiscuous);
}

#[test]
fn mac_by_three_ways_and_their_order() {
    let [args, convention, capability] = ["c2:00:00:00:00:01", "c2:00:00:00:00:02", "c2:00:00:00:00:03"];
    let node = Node::new();
    let mac = |id: &str, network: &Value, by_args: &str| {
        let container = node.container(id);
        let result = Cni::add(network, &container).args(by_args).run().result();
        let mac = eth0(&container).mac.unwrap().to_string();
        assert_eq!(result["interfaces"][2]["mac"], mac.as_str());
        mac
    };
    let by_args = format!("IgnoreUnknown=1;MAC={args}");
    let by_convention = bridged_with(json!({"args": {"cni": {"mac": convention}}}));
    let by_both = bridged_with(json!({"args": {"cni": {"mac": convention}}, "runtimeConfig": {"mac": capability}}));
    assert_eq!(mac("c1", &bridged(), &by_args), args);
    assert_eq!(mac("c2", &by_convention, &by_args), convention);
    assert_eq!(mac("c3", &by_both, &by_args), capability);
}

#[test]
fn where_iptables_is_asked_for_the_operator_hears_of_nftables() {
    let node = Node::new();
    for (number, (changes, heard)) in [
        (json!({"ipMasq": true, "ipMasqBackend": "iptables"}), true),
        (json!({"ipMasq": true, "ipMasqBackend": "nftables"}), false),
        (json!({"ipMasqBackend": "iptables"}), false),
    ]
    .into_iter()
    .enumerate()
    {
        let c1 = node.container(&format!("c{number}"));
        let outcome = Cni::add(&bridged_with(changes.clone()), &c1).run();
        outcome.result();
        assert_eq!(outcome.stderr.contains("ipMasqBackend") && outcome.stderr.contains("nftables"), heard, "{changes}");
    }
    assert!(!kernel::masqueraded("mynet").is_empty());
}

#[test]
fn is_default_gateway() {
    let (_node, c1, result) = join(json!({"isGateway": false, "isDefaultGateway": true}));
    assert_eq!(c1.inside(|| kernel::routes("eth0")), ["0.0.0.0/0 via 10.7.0.1"]);
    assert_eq!(kernel::addresses("cni0"), ["10.7.0.1/24"], "it implies isGateway");
    assert_eq!(result["routes"], json!([{"dst": "0.0.0.0/0", "gw": "10.7.0.1"}]));
}

#[test]
fn is_gateway_forwards() {
    let forwarding = || sysctl::get("ipv4/ip_forward").unwrap();
    let _plain = join(json!({"isGateway": false}));
    assert_eq!((forwarding().trim(), kernel::addresses("cni0")), ("0", vec![]));
    let _gateway = join(json!({}));
    assert_eq!((forwarding().trim(), kernel::addresses("cni0")), ("1", vec!["10.7.0.1/24".to_owned()]));
}

#[test]
fn force_address() {
    let (node, _c1, _) = join(json!({}));
    let other = json!({"name": "another", "ipam": {"subnet": "10.8.0.0/24"}});
    let c2 = node.container("c2");
    let fault = Cni::add(&bridged_with(other.clone()), &c2).run().fault();
    assert_eq!(fault.code, 100, "{fault:?}");
    assert!(fault.msg.contains("\"cni0\" already has an IP address different from 10.8.0.1/24"), "{fault:?}");
    assert_eq!(kernel::leases("another"), [""; 0], "the refused container holds no address");
    let forced = gingham_tests::networks::with(bridged_with(other), json!({"forceAddress": true}));
    Cni::add(&forced, &c2).run().result();
    assert_eq!(kernel::addresses("cni0"), ["10.8.0.1/24"]);
}

#[test]
fn a_bridge_that_is_there_is_used_as_it_is() {
    let (node, c1, _) = join(json!({"mtu": 1400}));
    let before = kernel::link("cni0").unwrap();
    let c2 = node.container("c2");
    Cni::add(&bridged_with(json!({"mtu": 1300})), &c2).run().result();
    let after = kernel::link("cni0").unwrap();
    assert_eq!(
        (before.index, before.mac),
        (after.index, after.mac),
        "its hardware address does not change with its ports"
    );
    Cni::del(&bridged(), &c1).run().succeeds();
    assert_eq!(kernel::link("cni0").unwrap().mac, before.mac);
}

#[test]
fn an_interface_of_the_bridges_name_that_is_no_bridge_is_refused() {
    let node = Node::new();
    let c1 = node.container("c1");
    kernel::add_veth(&c1, "other", "cni0");
    let fault = Cni::add(&bridged(), &c1).run().fault();
    assert!(fault.msg.contains("already exists but is not a bridge"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn dns_of_the_configuration_replaces_that_of_the_ipam() {
    let node = Node::new();
    std::fs::write("/run/resolv.conf", "nameserver 10.0.0.53\nsearch a.example b.example\noptions ndots:5\n").unwrap();
    let network = |more: Value| {
        bridged_with(gingham_tests::networks::with(json!({"ipam": {"resolvConf": "/run/resolv.conf"}}), more))
    };
    let of_ipam = Cni::add(&network(json!({})), &node.container("c1")).run().result();
    let expected = json!({"nameservers": ["10.0.0.53"], "search": ["a.example", "b.example"], "options": ["ndots:5"]});
    assert_eq!(of_ipam["dns"], expected);
    let own = json!({"dns": {"nameservers": ["10.9.9.9"], "domain": "example"}});
    let of_config = Cni::add(&network(own.clone()), &node.container("c2")).run().result();
    assert_eq!(of_config["dns"], own["dns"]);
}

#[test]
fn a_missing_resolv_conf_is_an_error_and_costs_no_address() {
    let node = Node::new();
    let network = bridged_with(json!({"ipam": {"resolvConf": "/run/missing.conf"}}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    assert_eq!(fault.code, 5, "{fault:?}");
    assert!(fault.msg.contains("/run/missing.conf"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn ipv6_addresses_are_usable_at_once_unless_detection_is_asked_for() {
    let ranges = json!({"subnet": null, "ranges": [[{"subnet": "fd00:7::/64"}]]});
    let (_node, c1, _) = join(json!({"ipam": ranges.clone()}));
    assert!(!tentative(&c1));
    kernel::reaches(&c1, "fd00:7::1".parse().unwrap());
    let (_node, c1, _) = join(json!({"enabledad": true, "ipam": ranges}));
    assert!(!tentative(&c1), "detection has ended when ADD has");
    assert_eq!(c1.inside(|| sysctl::get("ipv6/conf/eth0/accept_dad")).unwrap().trim(), "1");
}

/// Whether the container's own address is not usable yet.
fn tentative(container: &Container) -> bool {
    container.inside(|| {
        let mut kernel = Socket::<Route>::open().unwrap();
        let index = gingham_net::link::by_name(&mut kernel, "eth0").unwrap().unwrap().index;
        let addresses = address::list(&mut kernel, index).unwrap();
        addresses.iter().any(|address| address.tentative && address.net.to_string() == "fd00:7::2/64")
    })
}

#[test]
fn layer_2_only() {
    let node = Node::new();
    let network = bridged_with(json!({"ipam": null, "isGateway": null}));
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(result["ips"], json!(null));
    assert_eq!(result["interfaces"].as_array().unwrap().len(), 3);
    let eth0 = eth0(&c1);
    assert!(eth0.up);
    assert_eq!(c1.inside(|| kernel::addresses("eth0")), [""; 0]);
    assert_eq!(host_end(&result).master, Some(kernel::link("cni0").unwrap().index));
    Cni::check(&network, &c1, &result).run().succeeds();
    assert_eq!(Cni::add(&network, &c1).run().fault().code, 104);
    assert_eq!(Cni::del(&network, &c1).run().stderr, "");
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn layer_2_cannot_be_told_in_the_oldest_versions() {
    let node = Node::new();
    let network = bridged_with(json!({"ipam": null, "cniVersion": "0.2.0"}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert_eq!(kernel::links(), [""; 0], "nothing was made");
}
