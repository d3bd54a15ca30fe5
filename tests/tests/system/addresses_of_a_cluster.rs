//! A node of a cluster whose store is a real etcd: what ADD asks it, and what ADD does without it.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;

use gingham_testbed::etcd::{Etcd, Layout, PACKAGE, PROGRAM};
use gingham_tests::cni::{Cni, address};
use gingham_tests::kernel;
use gingham_tests::networks::{bridged_with, with};
use gingham_tests::node::{Container, Node};
use serde_json::{Value, json};

const ENDPOINT: &str = "127.0.0.1:2379";

fn network() -> Value {
    let ipam = json!({
        "type": "gingham", "policy": "weave-split", "subnet": null, "range": "10.40.0.0/22", "blockSize": 26, "routing": "none",
        "cluster": {"store": "etcd", "endpoints": [format!("http://{ENDPOINT}")], "node": "n1"},
    });
    bridged_with(json!({"ipam": ipam}))
}

fn etcd() -> Etcd {
    let directory = Path::new("/run/etcd");
    std::fs::create_dir(directory).unwrap();
    Etcd::start(&Layout::at(directory, IpAddr::V4(Ipv4Addr::LOCALHOST), 1)).unwrap()
}

#[test]
fn the_first_add_joins_and_later_ones_ask_nobody() {
    if !skipped_tests::has(PROGRAM, PACKAGE) {
        return;
    }
    let node = Node::new();
    let mut etcd = etcd();
    let network = network();
    let c1 = node.container("c1");
    let first = Cni::add(&network, &c1).run().result();
    assert_eq!(address(&first), "10.40.0.2");
    assert_eq!(first["ips"][0]["gateway"], "10.40.0.1", "the bridge has the first address of this node's own blocks");
    assert_eq!(kernel::addresses("cni0"), ["10.40.0.1/22"]);
    assert_eq!(kernel::leases("mynet"), ["c1 eth0 10.40.0.2", "node/n1 cni0 10.40.0.1"]);
    kernel::reaches(&c1, "10.40.0.1".parse().unwrap());

    etcd.kill(0);
    // Where etcd was, somebody counts now who comes.
    let door = TcpListener::bind(ENDPOINT).unwrap();
    door.set_nonblocking(true).unwrap();
    let c2 = node.container("c2");
    assert_eq!(address(&Cni::add(&network, &c2).run().result()), "10.40.0.3");
    Cni::check(&network, &c1, &first).run().succeeds();
    Cni::gc(&network, &[("c1", "eth0"), ("c2", "eth0")]).run().succeeds();
    Cni::del(&network, &c1).run().succeeds();
    assert_eq!(door.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody asked the store");
    drop(door);
    let status = Cni::status(&network).run();
    assert!(
        status.is_success() && status.stderr.contains(ENDPOINT),
        "there is room, and the store is missed: {status:?}"
    );
    assert_eq!(kernel::leases("mynet"), ["c2 eth0 10.40.0.3", "node/n1 cni0 10.40.0.1"], "GC leaves the gateway");
}

#[test]
fn without_room_and_without_store_add_says_try_again() {
    if !skipped_tests::has(PROGRAM, PACKAGE) {
        return;
    }
    let node = Node::new();
    let mut etcd = etcd();
    // Blocks of two addresses: the gateway and one container.
    let network = with(network(), json!({"ipam": {"range": "10.40.0.0/28", "blockSize": 31}}));
    Cni::add(&network, &node.container("c1")).run().result();
    etcd.kill(0);
    let added: Vec<_> = (2..6).map(|n| Cni::add(&network, &node.container(&format!("c{n}"))).run()).collect();
    let fault = added.last().unwrap().fault();
    assert_eq!(fault.code, 11, "{fault:?}");
    assert!(fault.msg.contains(ENDPOINT) && fault.msg.contains("n1"), "{fault:?}");
    let status = Cni::status(&network).run();
    assert!(status.is_success() && status.stderr.contains("no address is left in the blocks"), "{status:?}");
    etcd.restart(0).unwrap();
    etcd.wait_until_healthy(&[0]).unwrap();
    Cni::add(&network, &node.container("late")).run().result();
}

#[test]
fn a_full_cluster_is_exhausted() {
    if !skipped_tests::has(PROGRAM, PACKAGE) {
        return;
    }
    let node = Node::new();
    let _etcd = etcd();
    let network = with(network(), json!({"ipam": {"range": "10.40.0.0/29", "blockSize": 31}}));
    // Eight addresses; the first, the last and the bridge's are nobody's.
    for number in 0..5 {
        Cni::add(&network, &node.container(&format!("c{number}"))).run().result();
    }
    let fault = Cni::add(&network, &node.container("late")).run().fault();
    assert_eq!(fault.code, 103, "{fault:?}");
}

#[test]
fn a_policy_that_divides_nothing_gets_no_cluster() {
    let node = Node::new();
    let network = bridged_with(json!({"ipam": {"cluster": {"store": "local", "members": ["a", "b"], "node": "a"}}}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.starts_with("ipam.cluster: the policy host-local"), "{fault:?}");
    assert_eq!(kernel::leases("mynet"), [""; 0]);
}

#[test]
fn an_address_that_this_machine_does_not_have_is_refused() {
    let node = Node::new();
    let network = with(network(), json!({"ipam": {"cluster": {"address": "192.0.2.9"}}}));
    let fault = Cni::add(&network, &node.container("c1")).run().fault();
    assert_eq!(fault.code, 7, "{fault:?}");
    assert!(fault.msg.starts_with("ipam.cluster.address: "), "{fault:?}");
}

#[test]
fn members_by_a_list_stay_in_their_shares() {
    let own = |name: &str| {
        let cluster = json!({"store": "local", "members": ["a", "b"], "node": name, "endpoints": null});
        with(network(), json!({"ipam": {"cluster": cluster}}))
    };
    for (name, gateway, first) in [("a", "10.40.0.1", "10.40.0.2"), ("b", "10.40.2.0", "10.40.2.1")] {
        let node = Node::new();
        let container: Container = node.container("c1");
        let result = Cni::add(&own(name), &container).run().result();
        assert_eq!((address(&result).as_str(), &result["ips"][0]["gateway"]), (first, &json!(gateway)));
    }
}
