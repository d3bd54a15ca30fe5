//! What the tests stand on: a nodes, an etcd between its nodes, and the network that all of them are configured with.

use std::net::IpAddr;

use gingham_testbed::etcd::{Etcd, Layout};
use gingham_tests::cni::{Cni, Outcome, address};
use gingham_tests::ctl::{Said, ctl};
use gingham_tests::networks;
use gingham_tests::node::{Container, Node};
use gingham_tests::nodes::{BETWEEN, ConnectedNode, Doing, Nodes, Topology};
use ipnet::IpNet;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The network's name.
pub(crate) const NETWORK: &str = "cluster";

/// Where `ginghamctl` finds it.
const CONFIG: &str = "/run/net.d";

/// Nodes with an etcd between them.
pub(crate) struct Testbed {
    pub(crate) nodes: Nodes,
    pub(crate) etcd: Etcd,
    changes: Value,
    _directory: TempDir,
}

/// Whether there is an etcd to test with.
pub(crate) fn has_etcd() -> bool {
    skipped_tests::has(gingham_testbed::etcd::PROGRAM, gingham_testbed::etcd::PACKAGE)
}

impl Testbed {
    /// So many nodes on one link and one etcd, with `changes` to everybody's configuration.
    pub(crate) fn new(nodes: u8, changes: Value) -> Self {
        Self::joined(nodes, Topology::OneLink, 1, changes)
    }

    pub(crate) fn joined(nodes: u8, joined: Topology, members: usize, changes: Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let nodes = Nodes::new(nodes, joined);
        let etcd = Etcd::start(&Layout::at(directory.path(), BETWEEN.into(), members)).unwrap();
        Self { nodes, etcd, changes, _directory: directory }
    }

    /// The network as a node is configured.
    pub(crate) fn network(&self, node: &ConnectedNode) -> Value {
        let network = json!({
            "cniVersion": "1.1.0", "name": NETWORK, "type": "gingham", "bridge": "cni0", "isGateway": true, "ipMasq": true,
            "ipam": {
                "type": "gingham", "policy": "weave-split", "range": "10.32.0.0/12", "routes": [{"dst": "0.0.0.0/0"}],
                "cluster": {
                    "store": "etcd", "endpoints": self.etcd.endpoints(), "node": node.name, "address": node.address,
                },
            },
        });
        networks::with(network, self.changes.clone())
    }

    /// Lets a container join on a node.
    pub(crate) fn start_add(&self, node: usize, container: &str) -> Doing<(Container, Outcome)> {
        let (network, id) = (self.network(self.nodes.node(node)), container.to_owned());
        self.nodes.node(node).start(move |node| {
            let container = node.container(&id);
            let outcome = Cni::add(&network, &container).run();
            (container, outcome)
        })
    }

    /// The same, waited for; gives the container's result.
    #[track_caller]
    pub(crate) fn add(&self, node: usize, container: &str) -> Value {
        let (_, outcome) = self.start_add(node, container).end();
        outcome.result()
    }

    /// The same, gives the container's address.
    #[track_caller]
    pub(crate) fn join(&self, node: usize, container: &str) -> IpAddr {
        address(&self.add(node, container)).parse().unwrap()
    }

    /// Lets a container leave.
    #[track_caller]
    pub(crate) fn leave(&self, node: usize, container: &str) {
        let (network, id) = (self.network(self.nodes.node(node)), container.to_owned());
        let outcome = self.on(node, move |_| {
            let netns = format!("/run/netns/{id}").into();
            Cni::del(&network, &Container { id, netns }).run()
        });
        outcome.succeeds();
    }

    /// Runs `ginghamctl cluster` on a node.
    pub(crate) fn ctl(&self, node: usize, arguments: &[&str]) -> Said {
        let network = self.network(self.nodes.node(node)).to_string();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.on(node, move |_| {
            let _ = std::fs::create_dir(CONFIG);
            std::fs::write(format!("{CONFIG}/10-net.conf"), network).unwrap();
            let all = ["cluster"].into_iter().chain(arguments.iter().map(String::as_str));
            ctl(&all.chain(["--config-dir", CONFIG]).collect::<Vec<_>>())
        })
    }

    /// Does something on a node.
    pub(crate) fn on<T: Send + 'static>(&self, node: usize, work: impl FnOnce(&Node) -> T + Send + 'static) -> T {
        self.nodes.node(node).on(work)
    }
}

/// The equal thirds of 10.32.0.0/12 in blocks of /24: first and last block.
pub(crate) fn third(number: usize) -> (IpAddr, IpAddr) {
    let thirds = [("10.32.0.0", "10.37.85.255"), ("10.37.86.0", "10.42.170.255"), ("10.42.171.0", "10.47.255.255")];
    let (first, last) = thirds[number - 1];
    (first.parse().unwrap(), last.parse().unwrap())
}

pub(crate) fn is_within(address: IpAddr, (first, last): (IpAddr, IpAddr)) -> bool {
    first <= address && address <= last
}

/// The addresses of a bridge on the calling node.
pub(crate) fn bridge_address(interface: &str) -> IpNet {
    let addresses = gingham_tests::kernel::addresses(interface);
    let v4: Vec<&String> = addresses.iter().filter(|address| address.contains('.')).collect();
    assert_eq!(v4.len(), 1, "{addresses:?}");
    v4[0].parse().unwrap()
}
