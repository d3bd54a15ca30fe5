//! What the tests stand on: hosts and containers that are nothing but fresh namespaces.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

pub(crate) mod nodes;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use gingham_net::address::DuplicateDetection;
use gingham_net::bridge::{self, Bridge};
use gingham_net::container::{self, Interface};
use gingham_net::link::BridgePort;
use gingham_net::netlink::{Route as RouteProtocol, Socket};
use gingham_net::netns::NetNs;
use gingham_net::route::Route;
use gingham_net::veth::{self, Pair, Veth};
use gingham_testbed::cable;
use ipnet::IpNet;

/// Longer than anything here takes, so that running into it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) type Kernel = Socket<RouteProtocol>;

/// Runs `work` as on a machine of its own: in a fresh namespace, on a thread that is in it.
pub(crate) fn on_a_fresh_host(work: impl FnOnce(&mut Kernel) + Send) {
    let host = NetNs::create().expect("a new namespace");
    host.enter(|| work(&mut Kernel::open().expect("a netlink socket"))).expect("entering a fresh namespace");
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().expect("an address with a prefix length")
}

pub(crate) fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| net(text)).collect()
}

pub(crate) fn default_route(gateway: &str) -> Route {
    cable::default_route(gateway.parse().expect("an address"))
}

pub(crate) fn bridge(host: &mut Kernel, gateways: &[&str]) -> Bridge {
    let bridge = bridge::ensure(host, "br0", None, false).expect("a bridge");
    for gateway in gateways {
        bridge::ensure_address(host, &bridge, net(gateway), false).expect("the gateway's address");
    }
    bridge
}

/// A container on a bridge.
pub(crate) struct Container {
    pub(crate) netns: NetNs,
    pub(crate) veth: Veth,
    pub(crate) host_name: String,
}

impl Container {
    /// Joins a new container to the bridge the way a plugin does, with addresses and routes.
    pub(crate) fn join(host: &mut Kernel, bridge: &Bridge, number: u8, addresses: &[&str], routes: &[Route]) -> Self {
        Self::join_by(host, bridge, number, BridgePort::default(), addresses, routes)
    }

    pub(crate) fn join_by(
        host: &mut Kernel,
        bridge: &Bridge,
        number: u8,
        port: BridgePort,
        addresses: &[&str],
        routes: &[Route],
    ) -> Self {
        let netns = NetNs::create().expect("a new namespace");
        let host_name = format!("veth{number}");
        let pair = Pair { bridge: Some(bridge.index), port, ..pair(&host_name, &netns) };
        let veth = veth::create(host, &pair).expect("a veth pair");
        let container = Self { netns, veth, host_name };
        let mut inside = container.configure(addresses, routes, DuplicateDetection::Off);
        bridge::wait_until_forwarding(host, bridge, veth.host_index, PATIENCE).expect("a working link");
        container::announce(&mut inside, veth.container_index, veth.container_mac).expect("an announcement");
        container
    }

    pub(crate) fn configure(&self, addresses: &[&str], routes: &[Route], detection: DuplicateDetection) -> Kernel {
        let addresses = nets(addresses);
        let interface =
            Interface { index: self.veth.container_index, name: "eth0", addresses: &addresses, routes, detection };
        container::configure(&self.netns, &interface).expect("a configured interface")
    }

    /// Runs `work` in the container.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce(&mut Kernel) -> T + Send) -> T {
        self.netns.enter(|| work(&mut Kernel::open().expect("a netlink socket"))).expect("entering the container")
    }

    /// A UDP socket in the container that gives up after [`PATIENCE`].
    pub(crate) fn udp(&self, address: &str) -> UdpSocket {
        self.inside(|_| udp(address))
    }
}

/// A pair with nothing but names.
pub(crate) fn pair<'a>(host_name: &'a str, container: &'a NetNs) -> Pair<'a> {
    cable::pair(host_name, "eth0", container)
}

/// A UDP socket of the current namespace that gives up after [`PATIENCE`].
pub(crate) fn udp(address: &str) -> UdpSocket {
    let address: IpAddr = address.parse().expect("an address");
    let socket = UdpSocket::bind(SocketAddr::new(address, 0)).unwrap_or_else(|error| panic!("bind {address}: {error}"));
    socket.set_read_timeout(Some(PATIENCE)).expect("a read timeout");
    socket
}

/// Sends a question and waits for it at the other side, which answers. Both must arrive, and neither may have been lost
/// before: a packet, or a question for a neighbour's Ethernet address, is repeated only after a second.
pub(crate) fn converse(one: &UdpSocket, other: &UdpSocket) {
    let start = Instant::now();
    let mut buffer = [0; 16];
    one.send_to(b"question", other.local_addr().unwrap()).expect("sending");
    let (length, from) = other.recv_from(&mut buffer).expect("the question");
    assert_eq!(&buffer[..length], b"question");
    other.send_to(b"answer", from).expect("answering");
    let (length, _) = one.recv_from(&mut buffer).expect("the answer");
    assert_eq!(&buffer[..length], b"answer");
    assert!(start.elapsed() < Duration::from_millis(900), "{one:?} and {other:?} took {:?}", start.elapsed());
}

/// The sender's address as the listener sees it, who then answers; the answer must come from where the question went.
pub(crate) fn source_seen(sender: &UdpSocket, listener: &UdpSocket) -> IpAddr {
    let mut buffer = [0; 16];
    let asked = listener.local_addr().unwrap();
    sender.send_to(b"question", asked).unwrap();
    let (_, seen) = listener.recv_from(&mut buffer).expect("the question");
    listener.send_to(b"answer", seen).unwrap();
    let (length, answerer) = sender.recv_from(&mut buffer).expect("the answer");
    assert_eq!((&buffer[..length], answerer), (&b"answer"[..], asked));
    seen.ip()
}
