//! A site: several nodes of one's own, joined by one link or by a router, with a place between them for a store.
//!
//! The calling thread becomes the place between the nodes: their links end in its namespace, and a server that it starts
//! is reached by all of them. Each node is a thread of its own; what it is to do is sent to it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::time::Duration;

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge::{self, Bridge};
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, BridgePort, Change, Which};
use gingham_net::netlink::{Route as Kernel, Socket};
use gingham_net::netns::NetNs;
use gingham_net::route::Route;
use gingham_net::sysctl;
use gingham_net::veth::{self, Pair};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::mount::mount_bind;

use crate::node::Node;

/// The interface of every node that leads to the others.
pub const UPLINK: &str = "uplink0";

/// Where every node reaches what runs between them.
pub const BETWEEN: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Longer than a link takes to come up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the nodes are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// All on one link: 192.0.2.1, 192.0.2.2, …
    OneLink,
    /// The same, and they are known to each other by IPv6: `2001:db8::1`, `2001:db8::2`, …
    OneLink6,
    /// Each behind a router of its own subnet: 192.0.2.2/30, 192.0.2.6/30, …
    Routed,
}

/// Several nodes. They end with the value.
pub struct Site {
    /// In the order of their numbers, which start at 1.
    pub nodes: Vec<SiteNode>,
}

type Work = Box<dyn FnOnce(&Node) + Send>;

/// One of them.
pub struct SiteNode {
    /// `node-1`, …
    pub name: String,
    /// Its address towards the others.
    pub address: IpAddr,
    /// The site's end of its link.
    port: String,
    work: Option<mpsc::Sender<Work>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Work that a node is at.
pub struct Doing<T>(mpsc::Receiver<std::thread::Result<T>>);

impl<T> Doing<T> {
    /// Waits for its end.
    pub fn end(self) -> T {
        match self.0.recv().expect("the node's thread lives") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }
}

impl Site {
    /// Moves this thread between `count` new nodes.
    pub fn new(count: u8, joined: Joined) -> Self {
        let _between = Node::new();
        let mut kernel = Socket::<Kernel>::open().unwrap();
        let lo = link::by_name(&mut kernel, "lo").unwrap().unwrap().index;
        address::add(&mut kernel, lo, net(BETWEEN, 32), DuplicateDetection::Off).unwrap();
        sysctl::forward_ipv4().unwrap();
        let switch = (joined != Joined::Routed).then(|| switch(&mut kernel));
        let nodes = (1..=count).map(|number| SiteNode::join(&mut kernel, number, joined, switch.as_ref())).collect();
        Self { nodes }
    }

    /// A node, by its number.
    pub fn node(&self, number: usize) -> &SiteNode {
        &self.nodes[number - 1]
    }
}

fn net(address: Ipv4Addr, length: u8) -> IpNet {
    Ipv4Net::new(address, length).unwrap().into()
}

fn switch(kernel: &mut Socket<Kernel>) -> Bridge {
    let switch = bridge::ensure(kernel, "switch", None, false).unwrap();
    bridge::ensure_address(kernel, &switch, net(Ipv4Addr::new(192, 0, 2, 254), 24), false).unwrap();
    switch
}

/// A node's address, the router's on the same link, and the length of their prefix.
fn addresses(number: u8, one_link: bool) -> (Ipv4Addr, Ipv4Addr, u8) {
    if one_link {
        return (Ipv4Addr::new(192, 0, 2, number), Ipv4Addr::new(192, 0, 2, 254), 24);
    }
    let first = 4 * (number - 1);
    (Ipv4Addr::new(192, 0, 2, first + 2), Ipv4Addr::new(192, 0, 2, first + 1), 30)
}

impl SiteNode {
    fn join(kernel: &mut Socket<Kernel>, number: u8, joined: Joined, switch: Option<&Bridge>) -> Self {
        let (work, orders) = mpsc::channel::<Work>();
        let (born, is_born) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let node = Node::new();
            become_a_machine(number);
            born.send(NetNs::current().unwrap()).unwrap();
            for order in orders {
                order(&node);
            }
        });
        let namespace = is_born.recv().expect("the node comes up");
        let (own, router, length) = addresses(number, switch.is_some());
        let port = format!("port{number}");
        let mut addresses = vec![net(own, length)];
        if joined == Joined::OneLink6 {
            let own = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into());
            addresses.insert(0, Ipv6Net::new(own, 64).unwrap().into());
        }
        wire(kernel, &port, &namespace, switch, (&addresses, net(router, length)));
        Self {
            name: format!("node-{number}"),
            address: addresses[0].addr(),
            port,
            work: Some(work),
            thread: Some(thread),
        }
    }

    /// Does something on the node and waits for it.
    pub fn on<T: Send + 'static>(&self, work: impl FnOnce(&Node) -> T + Send + 'static) -> T {
        self.start(work).end()
    }

    /// Lets the node do something.
    pub fn start<T: Send + 'static>(&self, work: impl FnOnce(&Node) -> T + Send + 'static) -> Doing<T> {
        let (done, is_done) = mpsc::channel();
        let order: Work = Box::new(move |node| {
            // Nobody may wait any more: then the result is nobody's.
            let _ = done.send(catch_unwind(AssertUnwindSafe(|| work(node))));
        });
        self.work.as_ref().unwrap().send(order).expect("the node's thread lives");
        Doing(is_done)
    }

    /// Pulls the node's cable, or plugs it in again. To be called where the site was made.
    pub fn connected(&self, yes: bool) {
        let change = Change { up: Some(yes), ..Change::default() };
        link::change(&mut Socket::<Kernel>::open().unwrap(), Which::Name(&self.port), &change).unwrap();
    }
}

impl Drop for SiteNode {
    fn drop(&mut self) {
        drop(self.work.take());
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// Another machine has another identity.
fn become_a_machine(number: u8) {
    fs::write("/run/machine-id", format!("{number:032x}\n")).unwrap();
    mount_bind("/run/machine-id", "/etc/machine-id").unwrap();
}

/// A cable from the place between the nodes into one of them: to the switch, or to a port that routes.
fn wire(kernel: &mut Socket<Kernel>, port: &str, node: &NetNs, switch: Option<&Bridge>, ends: (&[IpNet], IpNet)) {
    let (own, router) = ends;
    let pair = Pair {
        host_name: port,
        container_name: UPLINK,
        container: node,
        mac: None,
        mtu: None,
        bridge: switch.map(|switch| switch.index),
        port: BridgePort::default(),
        alias: None,
    };
    let veth = veth::create(kernel, &pair).unwrap();
    let default = Route { gateway: Some(router.addr()), ..Route::to(net(Ipv4Addr::UNSPECIFIED, 0)) };
    let interface = Interface {
        index: veth.container_index,
        name: UPLINK,
        addresses: own,
        routes: &[default],
        detection: DuplicateDetection::Off,
    };
    container::configure(node, &interface).unwrap();
    match switch {
        Some(switch) => bridge::wait_until_forwarding(kernel, switch, veth.host_index, PATIENCE).unwrap(),
        None => drop(address::add(kernel, veth.host_index, router, DuplicateDetection::Off).unwrap()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// A datagram from one node to another arrives under the first one's own address.
    fn nodes_hear_each_other(joined: Joined) {
        let site = Site::new(2, joined);
        let (one, other) = (site.node(1), site.node(2));
        let to = other.address;
        let server = other.on(move |_| {
            let socket = UdpSocket::bind((to, 7)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        });
        let from = one.address;
        one.on(move |_| UdpSocket::bind((from, 0)).unwrap().send_to(b"hello", (to, 7)).unwrap());
        let (_, heard) = server.recv_from(&mut [0; 8]).expect("the datagram arrives");
        assert_eq!(heard.ip(), from);
    }

    #[test]
    fn on_one_link() {
        nodes_hear_each_other(Joined::OneLink);
    }

    #[test]
    fn through_a_router() {
        nodes_hear_each_other(Joined::Routed);
    }

    #[test]
    fn each_is_a_machine_of_its_own_that_reaches_the_place_between() {
        let site = Site::new(2, Joined::Routed);
        let server = UdpSocket::bind((BETWEEN, 7)).unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        let identity = |node: &SiteNode| {
            node.on(|_| {
                UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"hello", (BETWEEN, 7)).unwrap();
                fs::read_to_string("/etc/machine-id").unwrap()
            })
        };
        assert_ne!(identity(site.node(1)), identity(site.node(2)));
        for _ in 0..2 {
            server.recv_from(&mut [0; 8]).expect("each node's datagram arrives");
        }
    }
}
