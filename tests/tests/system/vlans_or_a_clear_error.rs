//! `vlan` and `vlanTrunk` are served, or refused in words that say what the kernel lacks, with everything taken back: a
//! network that ignored them would be open where its owner believes it closed. Which of the two it is, the kernel says;
//! each test asserts one or the other.

use gingham_net::link::VlanFiltering;
use gingham_net::netlink::{Route, Socket};
use gingham_net::vlan::{self, PortVlans};
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged, bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

/// What the kernel says of a bridge that somebody made; none if it knows no VLANs.
fn kernels_filtering() -> Option<VlanFiltering> {
    kernel::add_bridge("probe", "192.0.2.1/32");
    kernel::link("probe").unwrap().vlans
}

fn refused_for_the_kernel(network: &Value, container: &Container) {
    let bridges = kernel::links();
    let fault = Cni::add(network, container).run().fault();
    assert_eq!(fault.code, 100, "{fault:?}");
    assert!(fault.msg.contains("vlan") && fault.msg.contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{fault:?}");
    assert_eq!(kernel::links(), bridges, "nothing was made");
    assert_eq!(container.inside(kernel::links), [""; 0]);
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(kernel::masqueraded("mynet"), [""; 0]);
    Cni::del(network, container).run().succeeds();
    let fault = Cni::status(network).run().fault();
    assert!(fault.code == 50 && fault.msg.contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{fault:?}");
    assert_eq!(kernel::links(), bridges, "STATUS makes nothing either");
}

#[test]
fn a_vlan_with_a_gateway_in_it() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    let network = bridged_with(json!({"vlan": 100, "ipMasq": true, "macspoofchk": true}));
    if kernels_filtering().is_none() {
        refused_for_the_kernel(&network, &c1);
        return;
    }
    Cni::status(&network).run().succeeds();
    let result = Cni::add(&network, &c1).run().result();
    assert_eq!(result["interfaces"][3]["name"], "cni0.100");
    assert_eq!(result["interfaces"][3]["mac"], kernel::link("cni0.100").unwrap().mac.unwrap().to_string());
    assert_eq!((kernel::addresses("cni0.100"), kernel::addresses("cni0")), (vec!["10.7.0.1/24".to_owned()], vec![]));
    assert_eq!(vlans_of(&result), [""; 0]);
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
    Cni::check(&network, &c1, &result).run().succeeds();
    // Another network on the same bridge, in another VLAN: each reaches its own gateway.
    let other = with(network.clone(), json!({"name": "another", "vlan": 200, "ipam": {"subnet": "10.8.0.0/24"}}));
    Cni::add(&other, &c2).run().result();
    kernel::reaches(&c2, "10.8.0.1".parse().unwrap());
    for (network, container) in [(&network, &c1), (&other, &c2)] {
        Cni::del(network, container).run().succeeds();
    }
    let left: Vec<String> = kernel::links().into_iter().filter(|name| !name.starts_with("veth")).collect();
    assert_eq!(left, ["probe", "cni0", "cni0.100", "cni0.200"], "gateways stay, as bridges do");
}

/// How the VLANs of a container's port differ from VLAN 100 alone.
fn vlans_of(result: &Value) -> Vec<String> {
    let port = kernel::link(result["interfaces"][1]["name"].as_str().unwrap()).unwrap();
    let present = vlan::of_port(&mut Socket::<Route>::open().unwrap(), port.index).unwrap();
    PortVlans { native: 100, tagged: vec![], keep_default: false }.differences(&present, Some(1))
}

#[test]
fn a_trunk_of_layer_2() {
    let node = Node::new();
    let c1 = node.container("c1");
    let trunk = json!([{"minID": 200, "maxID": 210}, {"id": 101}]);
    let network = bridged_with(json!({"vlanTrunk": trunk, "ipam": null, "isGateway": null}));
    if kernels_filtering().is_none() {
        refused_for_the_kernel(&network, &c1);
        return;
    }
    let result = Cni::add(&network, &c1).run().result();
    Cni::check(&network, &c1, &result).run().succeeds();
    let fewer = with(network.clone(), json!({"vlanTrunk": [{"id": 101}]}));
    Cni::check(&fewer, &c1, &result).run().succeeds();
    let other = with(network.clone(), json!({"vlanTrunk": [{"id": 101}, {"id": 300}]}));
    let fault = Cni::check(&other, &c1, &result).run().fault();
    assert!(fault.msg.contains("VLAN 300 is missing"), "{fault:?}");
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), ["link probe"]);
}

#[test]
fn a_bridge_that_does_not_filter_is_not_used_for_vlans() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    Cni::add(&bridged(), &c1).run().result();
    let before = kernel::link("cni0");
    let network = bridged_with(json!({"vlan": 100, "name": "another", "ipam": {"subnet": "10.8.0.0/24"}}));
    for call in [Cni::add(&network, &c2), Cni::status(&network)] {
        let fault = call.run().fault();
        let lacks = if kernels_filtering().is_none() { "CONFIG_BRIDGE_VLAN_FILTERING" } else { "vlan_filtering 1" };
        assert!(fault.msg.contains("vlan") && fault.msg.contains(lacks), "{fault:?}");
    }
    assert_eq!(kernel::leases("another"), [""; 0]);
    assert_eq!(kernel::link("cni0"), before, "it stays as it is");
    kernel::reaches(&c1, "10.7.0.1".parse().unwrap());
}
