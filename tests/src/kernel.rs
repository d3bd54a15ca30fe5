//! What the kernel and the store say: read back, and nothing believed that the plugin said.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use gingham_engine::ledger::LedgerQueries;
use gingham_engine::store::Store;
use gingham_net::address::{self, DuplicateDetection};
use gingham_net::link::{self, Change, Link, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::{bridge, mac_filter, masquerade, route, veth};
use gingham_testbed::cable::pair;

use crate::node::{Container, DATA};

/// How long a packet may take within one machine.
const FLIGHT: Duration = Duration::from_secs(5);

/// A network interface of the calling thread's namespace, if it is there.
pub fn link(name: &str) -> Option<Link> {
    link::by_name(&mut Socket::<Route>::open().unwrap(), name).unwrap()
}

/// The names of all interfaces of the calling thread's namespace but the loopback.
pub fn links() -> Vec<String> {
    let links = link::list(&mut Socket::<Route>::open().unwrap(), None).unwrap();
    links.into_iter().map(|link| link.name).filter(|name| name != "lo").collect()
}

/// The addresses of an interface with their prefix lengths, without the kernel's own link-local ones.
pub fn addresses(interface: &str) -> Vec<String> {
    let mut kernel = Socket::<Route>::open().unwrap();
    let index = link::by_name(&mut kernel, interface).unwrap().expect("the interface is there").index;
    let own = |net: &ipnet::IpNet| !matches!(net.addr(), IpAddr::V6(v6) if v6.is_unicast_link_local());
    let listed = address::list(&mut kernel, index).unwrap();
    listed.into_iter().map(|address| address.net).filter(own).map(|net| net.to_string()).collect()
}

/// The routes over an interface that lead through a gateway: "0.0.0.0/0 via 10.0.0.1".
pub fn routes(interface: &str) -> Vec<String> {
    all_routes(interface).into_iter().filter_map(|r| Some(format!("{} via {}", r.destination, r.gateway?))).collect()
}

/// All routes over an interface.
pub fn all_routes(interface: &str) -> Vec<route::Route> {
    let mut kernel = Socket::<Route>::open().unwrap();
    let index = link::by_name(&mut kernel, interface).unwrap().expect("the interface is there").index;
    route::list(&mut kernel, index).unwrap()
}

/// The addresses of a network that are masqueraded.
pub fn masqueraded(network: &str) -> Vec<String> {
    let mut kernel = masquerade::open(network).unwrap();
    masquerade::list(&mut kernel, network).unwrap().iter().map(ToString::to_string).collect()
}

/// The bridge ports of a network that are guarded against spoofed hardware addresses.
pub fn guarded(network: &str) -> Vec<String> {
    mac_filter::ports(&mut mac_filter::open(network).unwrap(), network).unwrap()
}

/// The leases of a network, in the default data directory: "c1 eth0 10.0.0.2".
pub fn leases(network: &str) -> Vec<String> {
    leases_in(Path::new(DATA), network)
}

/// The leases of a network in another data directory.
pub fn leases_in(directory: &Path, network: &str) -> Vec<String> {
    let Some(store) = Store::open_read_only(directory).unwrap() else { return Vec::new() };
    let attachments = store.ledger(network).unwrap().attachments().unwrap();
    let text = |addresses: &[IpAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let one = |(key, record): (gingham_engine::attachment::AttachmentKey, gingham_engine::ledger::AttachmentRecord)| {
        format!("{} {} {}", key.container_id, key.interface, text(&record.addresses))
    };
    attachments.into_iter().map(one).collect()
}

/// Everything that Gingham has left on the node on behalf of a network: links, leases, masquerade, guards. The bridge with its
/// address stays by design.
pub fn traces(network: &str, bridge: &str) -> Vec<String> {
    let links = links().into_iter().filter(|name| name != bridge).map(|name| format!("link {name}"));
    let leases = leases(network).into_iter().map(|lease| format!("lease {lease}"));
    let nat = masqueraded(network).into_iter().map(|address| format!("masquerade {address}"));
    let guards = guarded(network).into_iter().map(|port| format!("guard of {port}"));
    links.chain(leases).chain(nat).chain(guards).collect()
}

/// Sends a datagram from the container to an address of the node and waits for the answer, as a ping would.
pub fn reaches(container: &Container, target: IpAddr) {
    let server = UdpSocket::bind((target, 0)).unwrap();
    server.set_read_timeout(Some(FLIGHT)).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = container.inside(|| ask((target, port).into()));
    let (_, from) = server.recv_from(&mut [0; 16]).expect("the container's packet arrives");
    server.send_to(b"pong", from).unwrap();
    client.recv(&mut [0; 16]).expect("the answer arrives");
}

/// Whom a host beyond the node sees when the container writes to it.
pub fn seen_from_beyond(container: &Container, beyond: &Beyond) -> IpAddr {
    let server = beyond.namespace.enter(|| UdpSocket::bind((beyond.address, 0))).unwrap().unwrap();
    server.set_read_timeout(Some(FLIGHT)).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = container.inside(|| ask((beyond.address, port).into()));
    let (_, from) = server.recv_from(&mut [0; 16]).expect("the container's packet arrives beyond the node");
    server.send_to(b"pong", from).unwrap();
    client.recv(&mut [0; 16]).expect("the answer finds its way back");
    from.ip()
}

fn ask(target: SocketAddr) -> UdpSocket {
    let unspecified = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let client = UdpSocket::bind(unspecified).unwrap();
    client.set_read_timeout(Some(FLIGHT)).unwrap();
    client.connect(target).unwrap();
    client.send(b"ping").unwrap();
    client
}

/// A host beyond the node that has no route to the node's containers.
pub struct Beyond {
    namespace: NetNs,
    /// Its address.
    pub address: IpAddr,
    /// The node's address towards it.
    pub node: IpAddr,
}

impl Beyond {
    /// 192.0.2.2, with the node at 192.0.2.1.
    pub fn v4() -> Self {
        Self::at("uplink", "192.0.2.1/24".parse().unwrap(), "192.0.2.2/24".parse().unwrap())
    }

    /// `2001:db8:ffff::2`, with the node at `2001:db8:ffff::1`.
    pub fn v6() -> Self {
        Self::at("uplink6", "2001:db8:ffff::1/64".parse().unwrap(), "2001:db8:ffff::2/64".parse().unwrap())
    }

    fn at(name: &str, node: ipnet::IpNet, address: ipnet::IpNet) -> Self {
        let namespace = NetNs::create().unwrap();
        let pair = pair(name, "eth0", &namespace);
        let made = veth::create(&mut Socket::<Route>::open().unwrap(), &pair).unwrap();
        give(made.host_index, node);
        namespace.enter(|| give(made.container_index, address)).unwrap();
        Self { namespace, address: address.addr(), node: node.addr() }
    }

    /// Does something on that host.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.namespace.enter(work).unwrap()
    }
}

fn give(index: u32, net: ipnet::IpNet) {
    let mut kernel = Socket::<Route>::open().unwrap();
    link::change(&mut kernel, Which::Index(index), &Change { up: Some(true), ..Change::default() }).unwrap();
    address::add(&mut kernel, index, net, DuplicateDetection::Off).unwrap();
}

/// Whom another container sees when `from` writes to its address.
pub fn seen_by(to: &Container, address: IpAddr, from: &Container) -> IpAddr {
    let server = to.inside(|| UdpSocket::bind((address, 0))).unwrap();
    server.set_read_timeout(Some(FLIGHT)).unwrap();
    let port = server.local_addr().unwrap().port();
    let _client = from.inside(|| ask((address, port).into()));
    server.recv_from(&mut [0; 16]).expect("the packet arrives").1.ip()
}

/// Puts a veth pair between the node and a container, as somebody else might.
pub fn add_veth(container: &Container, inside: &str, outside: &str) {
    let namespace = NetNs::open(&container.netns).unwrap();
    let pair = pair(outside, inside, &namespace);
    veth::create(&mut Socket::<Route>::open().unwrap(), &pair).unwrap();
}

/// Sets an interface up.
pub fn set_up(name: &str) {
    let change = Change { up: Some(true), ..Change::default() };
    link::change(&mut Socket::<Route>::open().unwrap(), Which::Name(name), &change).unwrap();
}

/// Makes a bridge with an address, as somebody else might.
pub fn add_bridge(name: &str, net: &str) {
    let mut kernel = Socket::<Route>::open().unwrap();
    let made = bridge::ensure(&mut kernel, name, None, false).unwrap();
    address::add(&mut kernel, made.index, net.parse().unwrap(), DuplicateDetection::Off).unwrap();
}

/// Gives an interface one more address, as somebody else might.
pub fn add_address(interface: &str, net: &str) {
    let index = link(interface).unwrap().index;
    let mut kernel = Socket::<Route>::open().unwrap();
    address::add(&mut kernel, index, net.parse().unwrap(), DuplicateDetection::Off).unwrap();
}
