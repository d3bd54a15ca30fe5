//! Several nodes with the plugin installed, and a place between them for a store.
//!
//! The calling thread becomes the place between the nodes: their links end in its namespace, and a server that it starts
//! is reached by all of them.

use std::net::IpAddr;
use std::panic::resume_unwind;
use std::path::Path;
use std::thread::JoinHandle;

pub use gingham_testbed::nodes::{BETWEEN, Topology};
use gingham_testbed::{machine, nodes as namespaces};

use crate::node::{self, Node};

/// Several nodes. They end with the value.
pub struct Nodes {
    /// In the order of their numbers, which start at 1.
    pub nodes: Vec<ConnectedNode>,
}

/// One of them.
pub struct ConnectedNode {
    /// `node-1`, …
    pub name: String,
    /// Its address towards the others.
    pub address: IpAddr,
    inner: namespaces::Node,
}

/// Work that a node is at.
pub struct Doing<T>(JoinHandle<T>);

impl<T> Doing<T> {
    /// Waits for its end.
    pub fn end(self) -> T {
        self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Nodes {
    /// Moves this thread between `count` new nodes.
    pub fn new(count: u8, topology: Topology) -> Self {
        let _between = Node::new();
        let prepare = |number| {
            node::prepare()?;
            machine::set_machine_id(number, Path::new("/run"))
        };
        let nodes = namespaces::create(count, topology, prepare).unwrap();
        let named =
            |inner: namespaces::Node| ConnectedNode { name: inner.machine.name.clone(), address: inner.address, inner };
        Self { nodes: nodes.into_iter().map(named).collect() }
    }

    /// A node, by its number.
    pub fn node(&self, number: usize) -> &ConnectedNode {
        &self.nodes[number - 1]
    }
}

impl ConnectedNode {
    /// Does something on the node and waits for it.
    pub fn on<T: Send>(&self, work: impl FnOnce(&Node) -> T + Send) -> T {
        self.inner.machine.on(|| work(&Node::of_this_thread())).unwrap()
    }

    /// Lets the node do something.
    pub fn start<T: Send + 'static>(&self, work: impl FnOnce(&Node) -> T + Send + 'static) -> Doing<T> {
        let machine = self.inner.machine.clone();
        Doing(std::thread::spawn(move || {
            machine.enter().unwrap();
            work(&Node::of_this_thread())
        }))
    }

    /// Pulls the node's cable, or plugs it in again. To be called where the nodes were made.
    pub fn connected(&self, yes: bool) {
        self.inner.set_connected(yes).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    const FLIGHT: Duration = Duration::from_secs(10);

    /// A datagram from one node to another arrives under the first one's own address.
    fn nodes_hear_each_other(topology: Topology) {
        let nodes = Nodes::new(2, topology);
        let (one, other) = (nodes.node(1), nodes.node(2));
        let to = other.address;
        let server = other.on(move |_| {
            let socket = UdpSocket::bind((to, 7)).unwrap();
            socket.set_read_timeout(Some(FLIGHT)).unwrap();
            socket
        });
        let from = one.address;
        one.on(move |_| UdpSocket::bind((from, 0)).unwrap().send_to(b"hello", (to, 7)).unwrap());
        let (_, heard) = server.recv_from(&mut [0; 8]).expect("the datagram arrives");
        assert_eq!(heard.ip(), from);
    }

    #[test]
    fn on_one_link() {
        nodes_hear_each_other(Topology::OneLink);
    }

    #[test]
    fn through_a_router() {
        nodes_hear_each_other(Topology::Routed);
    }

    #[test]
    fn each_is_another_machine_and_reaches_what_runs_between_them() {
        let nodes = Nodes::new(2, Topology::Routed);
        let server = UdpSocket::bind((BETWEEN, 7)).unwrap();
        server.set_read_timeout(Some(FLIGHT)).unwrap();
        let identity = |node: &ConnectedNode| {
            node.on(|_| {
                UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"hello", (BETWEEN, 7)).unwrap();
                fs::read_to_string("/etc/machine-id").unwrap()
            })
        };
        assert_ne!(identity(nodes.node(1)), identity(nodes.node(2)));
        for _ in 0..2 {
            server.recv_from(&mut [0; 8]).expect("each node's datagram arrives");
        }
    }
}
