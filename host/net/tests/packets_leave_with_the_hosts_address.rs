//! What a container sends outside leaves with the host's address, and the answer finds its way back; what stays in the
//! network, and multicast, keeps the container's address.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};

use gingham_net::masquerade::{self, MasqueradeError, Masqueraded, Outcome};
use gingham_net::netns::NetNs;
use gingham_net::sysctl;
use gingham_testbed::cable::{Cable, Port};
use testbed::{Container, Kernel, bridge, default_route, net, nets, on_a_fresh_host, source_seen, udp};

/// A host that has its link-local addresses at once. It asks from them who its neighbours are when it forwards, and on a
/// new interface it would first ask for two seconds whether another has them.
fn on_a_settled_host(work: impl FnOnce(&mut Kernel) + Send) {
    on_a_fresh_host(|host| {
        sysctl::set("ipv6/conf/default/accept_dad", "0").unwrap();
        work(host);
    });
}

/// A machine beyond the host. It knows the way to the containers, so that what is not masqueraded arrives as well.
struct Outside {
    netns: NetNs,
    /// The index of the host's end of the wire.
    wire: u32,
}

impl Outside {
    fn connect(host: &mut Kernel, host_addresses: &[&str], addresses: &[&str], gateways: &[&str]) -> Self {
        let netns = NetNs::create().unwrap();
        let (own, addresses) = (nets(host_addresses), nets(addresses));
        let gateways: Vec<IpAddr> = gateways.iter().map(|gateway| address(gateway)).collect();
        let to = Port::Router(&own);
        let cable = Cable { port: "outside", to, interface: "eth0", addresses: &addresses, gateways: &gateways };
        let wire = cable.connect(host, &netns).unwrap().host_index;
        sysctl::forward_ipv4().unwrap();
        sysctl::forward_ipv6().unwrap();
        Self { netns, wire }
    }

    fn udp(&self, address: &str) -> UdpSocket {
        self.netns.enter(|| udp(address)).unwrap()
    }
}

fn masquerade(addresses: &[&str], within: &[&str]) {
    let wanted = Masqueraded {
        addresses: addresses.iter().map(|text| address(text)).collect(),
        within: within.iter().map(|prefix| net(prefix)).collect(),
    };
    let mut kernel = masquerade::open("mynet").unwrap();
    let outcome = masquerade::restore(&mut kernel, "mynet", |_| Ok::<_, MasqueradeError>(wanted.clone()));
    assert_eq!(outcome, Ok(Outcome::Installed));
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn by_ipv4() {
    on_a_settled_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24"]);
        let container = Container::join(host, &bridge, 1, &["10.1.0.2/24"], &[default_route("10.1.0.1")]);
        let addresses = (["192.0.2.1/24", "10.1.9.1/24"], ["192.0.2.2/24", "10.1.9.2/24"]);
        let outside = Outside::connect(host, &addresses.0, &addresses.1, &["192.0.2.1"]);
        let reach = |listener: &str| source_seen(&container.udp("10.1.0.2"), &outside.udp(listener));

        assert_eq!(reach("192.0.2.2"), address("10.1.0.2"), "before it is masqueraded");
        masquerade(&["10.1.0.2"], &["10.1.0.0/16"]);
        assert_eq!(reach("192.0.2.2"), address("192.0.2.1"), "to the outside");
        assert_eq!(reach("10.1.9.2"), address("10.1.0.2"), "within the network");
        assert_eq!(source_seen(&container.udp("10.1.0.2"), &udp("192.0.2.1")), address("10.1.0.2"), "to the host");
        assert_eq!(source_seen(&outside.udp("192.0.2.2"), &container.udp("10.1.0.2")), address("192.0.2.2"), "inwards");

        masquerade::remove(&mut masquerade::open("mynet").unwrap(), "mynet", &[address("10.1.0.2")]).unwrap();
        assert_eq!(reach("192.0.2.2"), address("10.1.0.2"), "after its end");
    });
}

#[test]
fn by_ipv6() {
    on_a_settled_host(|host| {
        let bridge = bridge(host, &["fd00:1::1/64"]);
        let container = Container::join(host, &bridge, 1, &["fd00:1::2/64"], &[default_route("fd00:1::1")]);
        let addresses = (["2001:db8::1/64", "fd00:1:0:9::1/64"], ["2001:db8::2/64", "fd00:1:0:9::2/64"]);
        let outside = Outside::connect(host, &addresses.0, &addresses.1, &["2001:db8::1"]);
        let reach = |listener: &str| source_seen(&container.udp("fd00:1::2"), &outside.udp(listener));

        assert_eq!(reach("2001:db8::2"), address("fd00:1::2"), "before it is masqueraded");
        masquerade(&["fd00:1::2"], &["fd00:1::/56"]);
        assert_eq!(reach("2001:db8::2"), address("2001:db8::1"), "to the outside");
        assert_eq!(reach("fd00:1:0:9::2"), address("fd00:1::2"), "within the network");
    });
}

/// Also where the network is the host's own LAN: its other machines keep their addresses.
#[test]
fn from_the_containers_and_not_from_their_neighbours() {
    on_a_settled_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/16", "fd00:1::1/64"]);
        let routes = [default_route("10.1.0.1"), default_route("fd00:1::1")];
        let inner = ["10.1.18.2/16", "10.1.20.2/16", "fd00:1::1:2/64", "fd00:1::5:2/64"];
        let container = Container::join(host, &bridge, 1, &inner, &routes);
        let outer = (["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"]);
        let outside = Outside::connect(host, &outer.0, &outer.1, &["192.0.2.1", "2001:db8::1"]);
        masquerade(&["10.1.18.2", "fd00:1::1:2"], &["10.1.16.0/22", "fd00:1::/110"]);
        let seen = |sender: &str, listener: &str| source_seen(&container.udp(sender), &outside.udp(listener));
        assert_eq!(seen("10.1.18.2", "192.0.2.2"), address("192.0.2.1"));
        assert_eq!(seen("10.1.20.2", "192.0.2.2"), address("10.1.20.2"));
        assert_eq!(seen("fd00:1::1:2", "2001:db8::2"), address("2001:db8::1"));
        assert_eq!(seen("fd00:1::5:2", "2001:db8::2"), address("fd00:1::5:2"));
    });
}

/// The host itself sends to the groups, from its address in the network: it forwards no multicast without a routing
/// daemon, but its own packets meet the same rules.
#[test]
fn multicast_keeps_its_source() {
    on_a_settled_host(|host| {
        bridge(host, &["10.1.0.1/24", "fd00:1::1/64"]);
        let outer = (["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"]);
        let outside = Outside::connect(host, &outer.0, &outer.1, &["192.0.2.1", "2001:db8::1"]);
        masquerade(&["10.1.0.1", "fd00:1::1"], &["10.1.0.0/16", "fd00:1::/64"]);
        let (v4, v6) = (udp("10.1.0.1"), udp("fd00:1::1"));
        assert_eq!(source_seen(&v4, &outside.udp("192.0.2.2")), address("192.0.2.1"), "alone it is masqueraded");
        assert_eq!(source_seen(&v6, &outside.udp("2001:db8::2")), address("2001:db8::1"), "alone it is masqueraded");

        let mut buffer = [0; 16];
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let listener = outside.udp("0.0.0.0");
        listener.join_multicast_v4(&group, &Ipv4Addr::new(192, 0, 2, 2)).unwrap();
        rustix::net::sockopt::set_ip_multicast_if(&v4, &Ipv4Addr::new(192, 0, 2, 1)).unwrap();
        v4.send_to(b"all", (group, listener.local_addr().unwrap().port())).unwrap();
        assert_eq!(listener.recv_from(&mut buffer).unwrap().1.ip(), address("10.1.0.1"));

        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x1234, 0x5678);
        let listener = outside.udp("::");
        listener.join_multicast_v6(&group, 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        v6.send_to(b"all", SocketAddr::V6(SocketAddrV6::new(group, port, 0, outside.wire))).unwrap();
        assert_eq!(listener.recv_from(&mut buffer).unwrap().1.ip(), address("fd00:1::1"));
    });
}
