//! A thousand nodes with four thousand blocks: nothing is too much for one datagram, one list or one kernel. The times are
//! printed with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::net::IpAddr;
use std::time::Instant;

use gingham_net::node_routes::{self, Changes, Mode, Peer, Report, Wanted};
use testbed::net;
use testbed::nodes::{NETWORK, Node, Switch};

const NODES: u16 = 1000;
const BLOCKS: u16 = 4096;

fn node(switch: &Switch) -> Node {
    let addresses = ["172.16.0.1/16", "2001:db8::1/64"];
    let node = Node::new(0, &addresses);
    switch.plug(0, &node, &addresses);
    node
}

/// Blocks far from each other, so that none come together.
fn peers(block: impl Fn(u16) -> String) -> Vec<Peer> {
    let peer = |number: u16| {
        let name = format!("node-{number:04}");
        let [high, low] = (number + 256).to_be_bytes();
        Peer {
            addresses: vec![IpAddr::from([172, 16, high, low]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 1, number])],
            vxlan_mac: Some(node_routes::device_mac(NETWORK, &name)),
            blocks: (number..BLOCKS).step_by(usize::from(NODES)).map(|index| net(&block(index))).collect(),
            name,
        }
    };
    (0..NODES).map(peer).collect()
}

fn ipv4(index: u16) -> String {
    let [high, low] = index.to_be_bytes();
    format!("10.{}.{low}.0/24", 32 + high)
}

fn ipv6(index: u16) -> String {
    format!("fd00:10::{index:x}:0/112")
}

fn timed(what: &str, node: &Node, wanted: &Wanted) -> Report {
    let start = Instant::now();
    let report = node.reconcile(wanted);
    println!("{what}: {:?}, routes {:?}, neighbours {:?}", start.elapsed(), report.routes, report.neighbours);
    report
}

fn come_and_go(what: &str, mode: impl Fn(&Node) -> Mode, block: impl Fn(u16) -> String) {
    let switch = Switch::new();
    let node = node(&switch);
    let mut wanted = Wanted { peers: peers(block), ..node.wanted(mode(&node), &[]) };
    let all = usize::from(BLOCKS);
    let came = timed(&format!("{what}, all new"), &node, &wanted);
    assert_eq!(came.routes, Changes { unchanged: 0, added: all, removed: 0 });
    let stayed = timed(&format!("{what}, nothing new"), &node, &wanted);
    assert!(stayed.is_unchanged());
    assert_eq!((stayed.routes.unchanged, stayed.neighbours.unchanged), (all, came.neighbours.added));
    wanted.peers.remove(500);
    let left = timed(&format!("{what}, one node less"), &node, &wanted);
    assert_eq!(left.routes, Changes { unchanged: all - 4, added: 0, removed: 4 });
    wanted.peers.clear();
    let gone = timed(&format!("{what}, all gone"), &node, &wanted);
    assert_eq!(gone.routes, Changes { unchanged: 0, added: 0, removed: all - 4 });
}

#[test]
fn on_one_link() {
    come_and_go("route", |_| Mode::Direct, ipv4);
}

#[test]
fn on_one_link_by_ipv6() {
    come_and_go("route, IPv6", |_| Mode::Direct, ipv6);
}

#[test]
fn behind_routers() {
    come_and_go("vxlan", |node| node.vxlan(0), ipv4);
}

#[test]
fn behind_routers_by_ipv6() {
    come_and_go("vxlan, IPv6", |node| node.vxlan(1), ipv6);
}
