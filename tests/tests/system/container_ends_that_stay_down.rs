//! `disableContainerInterface`: the container gets its link and decides itself when to use it.

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_tests::cni::Cni;
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::Node;
use serde_json::{Value, json};

fn network() -> Value {
    bridged_with(json!({"disableContainerInterface": true, "ipam": null, "isGateway": null}))
}

#[test]
fn the_link_is_there_and_down_and_check_has_nothing_against_it() {
    let node = Node::new();
    let c1 = node.container("c1");
    let result = Cni::add(&network(), &c1).run().result();
    assert_eq!((&result["ips"], result["interfaces"].as_array().unwrap().len()), (&Value::Null, 3));
    let eth0 = || c1.inside(|| kernel::link("eth0")).unwrap();
    assert!(!eth0().up);
    let port = kernel::link(result["interfaces"][1]["name"].as_str().unwrap()).unwrap();
    assert_eq!((port.up, port.master), (true, Some(kernel::link("cni0").unwrap().index)));
    Cni::check(&network(), &c1, &result).run().succeeds();
    c1.inside(|| {
        let up = Change { up: Some(true), ..Change::default() };
        link::change(&mut Socket::<Route>::open().unwrap(), Which::Name("eth0"), &up).unwrap();
    });
    Cni::check(&network(), &c1, &result).run().succeeds();
    Cni::del(&network(), &c1).run().succeeds();
    assert_eq!(kernel::traces("mynet", "cni0"), [""; 0]);
}

#[test]
fn addresses_for_it_are_refused_before_anything_is_done() {
    let node = Node::new();
    let c1 = node.container("c1");
    let with_addresses = with(network(), json!({"ipam": {"type": "host-local", "subnet": "10.7.0.0/24"}}));
    let fault = Cni::add(&with_addresses, &c1).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.contains("cannot use IPAM when DisableContainerInterface flag is set"), "{fault:?}");
    assert_eq!(kernel::links(), [""; 0]);
    assert_eq!(kernel::leases("mynet"), [""; 0]);
    assert_eq!(Cni::status(&with_addresses).run().fault().code, 7);
}
