//! An address has one holder, also across networks and with the node itself.

use gingham_net::address::{self as node_address, DuplicateDetection};
use gingham_net::link;
use gingham_net::netlink::{Route, Socket};
use gingham_tests::cni::{Cni, address, addresses};
use gingham_tests::ctl::ctl;
use gingham_tests::kernel;
use gingham_tests::networks::{addresses_only, bridged_with, with};
use gingham_tests::node::Node;
use serde_json::json;

#[test]
fn networks_on_one_bridge_share_their_range() {
    let node = Node::new();
    let (c1, c2, c3, c4) = (node.container("c1"), node.container("c2"), node.container("c3"), node.container("c4"));
    let one = bridged_with(json!({"name": "one"}));
    let other = with(one.clone(), json!({"name": "other"}));
    let apart = with(one.clone(), json!({"name": "apart", "bridge": "cni1", "isGateway": false}));
    assert_eq!(address(&Cni::add(&one, &c1).run().result()), "10.7.0.2");
    assert_eq!(address(&Cni::add(&other, &c2).run().result()), "10.7.0.3");
    assert_eq!(address(&Cni::add(&apart, &c3).run().result()), "10.7.0.2", "on another bridge it is another address");
    let asked = Cni::add(&one, &c4).args("IP=10.7.0.3").run().fault();
    assert_eq!(asked.code, 103, "{asked:?}");
    Cni::del(&other, &c2).run().succeeds();
    assert_eq!(address(&Cni::add(&one, &c4).args("IP=10.7.0.3").run().result()), "10.7.0.3");
}

/// As IPAM plugin nobody says which link it is.
#[test]
fn where_the_link_is_not_known_it_may_be_the_same() {
    let node = Node::new();
    let (c1, c2) = (node.container("c1"), node.container("c2"));
    assert_eq!(address(&Cni::add(&bridged_with(json!({"name": "one"})), &c1).run().result()), "10.7.0.2");
    let ipam = with(addresses_only(), json!({"name": "other"}));
    assert_eq!(address(&Cni::add(&ipam, &c2).run().result()), "10.7.0.3");
}

#[test]
fn the_nodes_own_addresses_are_not_free() {
    let node = Node::new();
    kernel::add_bridge("br0", "10.7.0.2/24");
    kernel::add_bridge("elsewhere", "10.7.0.3/32");
    let mut kernel = Socket::<Route>::open().unwrap();
    let elsewhere = link::by_name(&mut kernel, "elsewhere").unwrap().unwrap().index;
    node_address::add(&mut kernel, elsewhere, "fd00::2/128".parse().unwrap(), DuplicateDetection::Off).unwrap();
    let network = bridged_with(json!({
        "bridge": "br0", "isGateway": false,
        "ipam": {"subnet": null, "ranges": [[{"subnet": "10.7.0.0/24"}], [{"subnet": "fd00::/64"}]]},
    }));
    let c1 = node.container("c1");
    let result = Cni::add(&network, &c1).run().result();
    let texts: Vec<String> = addresses(&result).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["10.7.0.4", "fd00::3"]);
    let c2 = node.container("c2");
    let asked = Cni::add(&network, &c2).args("IP=10.7.0.3").run().fault();
    assert_eq!(asked.code, 103, "{asked:?}");
    assert!(ctl(&["leases"]).done().contains("10.7.0.4"));
}
