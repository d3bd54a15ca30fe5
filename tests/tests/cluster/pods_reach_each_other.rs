//! Containers of all nodes hear each other under their own addresses, on one link and across a router, also where nobody
//! keeps the routes: then each ADD that asks the store brings its node's routes up to date.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes;
use gingham_tests::cni::address;
use gingham_tests::kernel;
use gingham_tests::node::Container;
use gingham_tests::nodes::Topology;
use serde_json::{Value, json};

use crate::testbed::{Testbed, has_etcd};

const PATIENCE: Duration = Duration::from_secs(5);

struct Pod {
    socket: UdpSocket,
    address: IpAddr,
}

impl Pod {
    fn of(testbed: &Testbed, node: usize, container: Container, address: IpAddr) -> Self {
        let socket = testbed.on(node, move |_| container.inside(|| UdpSocket::bind((address, 7)).unwrap()));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, address }
    }

    fn hears(&self, other: &Self) {
        other.socket.send_to(b"ping", (self.address, 7)).unwrap();
        let (_, from) = self.socket.recv_from(&mut [0; 8]).unwrap_or_else(|error| {
            panic!("{} does not hear {}: {error}", self.address, other.address);
        });
        assert_eq!(from.ip(), other.address, "the sender's own address");
    }
}

/// Blocks of four addresses, so that a few ADDs ask the store again.
fn pods_of_three_nodes(testbed: &Testbed) -> Vec<Pod> {
    let first: Vec<_> = (1..=3)
        .map(|node| {
            let (container, outcome) = testbed.start_add(node, &format!("first-{node}")).end();
            (node, container, address(&outcome.result()).parse().unwrap())
        })
        .collect();
    for node in 1..=3 {
        for number in 0..4 {
            testbed.add(node, &format!("more-{node}-{number}"));
        }
    }
    first.into_iter().map(|(node, container, address)| Pod::of(testbed, node, container, address)).collect()
}

fn all_hear_all(pods: &[Pod]) {
    for one in pods {
        for other in pods.iter().filter(|other| other.address != one.address) {
            one.hears(other);
        }
    }
}

#[test]
fn by_routes_on_one_link() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::new(3, json!({"ipam": {"blockSize": 30}}));
    all_hear_all(&pods_of_three_nodes(&testbed));
}

#[test]
fn by_vxlan_across_a_router() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::joined(3, Topology::Routed, 1, json!({"ipam": {"blockSize": 30, "routing": "vxlan"}}));
    let pods = pods_of_three_nodes(&testbed);
    all_hear_all(&pods);
    let (container, outcome) = testbed.start_add(1, "last").end();
    outcome.result();
    let mtu = testbed.on(1, move |_| container.inside(|| kernel::link("eth0").unwrap().mtu));
    assert_eq!(mtu, 1450, "what fits through the tunnel");
}

/// Two nodes with a container each, which both ask the store once more.
fn pods_of_two_nodes(testbed: &Testbed) -> Vec<Pod> {
    let first = [1, 2].map(|node| {
        let (container, outcome) = testbed.start_add(node, &format!("first-{node}")).end();
        (node, container, address(&outcome.result()).parse().unwrap())
    });
    for node in 1..=2 {
        for number in 0..4 {
            testbed.add(node, &format!("more-{node}-{number}"));
        }
    }
    first.into_iter().map(|(node, container, address)| Pod::of(testbed, node, container, address)).collect()
}

fn ipv6(routing: &str) -> Value {
    json!({"ipam": {"range": "fd00:10::/48", "blockSize": 126, "routing": routing, "routes": [{"dst": "::/0"}]}})
}

#[test]
fn ipv6_through_a_tunnel_over_ipv4() {
    if !has_etcd() {
        return;
    }
    all_hear_all(&pods_of_two_nodes(&Testbed::new(2, ipv6("vxlan"))));
}

#[test]
fn ipv6_by_routes_on_one_link() {
    if !has_etcd() {
        return;
    }
    let testbed = Testbed::joined(2, Topology::OneLinkIpv6, 1, ipv6("direct"));
    all_hear_all(&pods_of_two_nodes(&testbed));
    for (node, other) in [(1, 2), (2, 1)] {
        let other = testbed.nodes.node(other).address;
        let routes = testbed.on(node, |_| {
            let range = "fd00:10::/48".parse().unwrap();
            node_routes::list(&mut Socket::<Route>::open().unwrap(), &[range]).unwrap()
        });
        assert!(!routes.is_empty() && routes.iter().all(|route| route.gateway == Some(other)), "{routes:?}");
    }
}

#[test]
fn traffic_goes_on_without_the_store() {
    if !has_etcd() {
        return;
    }
    let mut testbed = Testbed::new(3, json!({"ipam": {"blockSize": 30}}));
    let pods = pods_of_three_nodes(&testbed);
    testbed.etcd.kill(0);
    all_hear_all(&pods);
}
