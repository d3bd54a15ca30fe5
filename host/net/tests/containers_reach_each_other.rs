//! Two containers on a bridge, and the host, exchange packets as soon as attaching has returned, by IPv4 and IPv6, and
//! neighbours learn of a new holder of an address at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::net::Ipv6Addr;
use std::os::fd::OwnedFd;

use gingham_net::address::DuplicateDetection;
use gingham_net::bridge::wait_until_forwarding;
use gingham_net::link::{self, BridgePort, OperationalState, Which};
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType};
use testbed::{Container, PATIENCE, bridge, converse, default_route, on_a_fresh_host, pair, udp};

#[test]
fn by_ipv4() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24"]);
        let one = Container::join(host, &bridge, 1, &["10.1.0.2/24"], &[default_route("10.1.0.1")]);
        let two = Container::join(host, &bridge, 2, &["10.1.0.3/24"], &[default_route("10.1.0.1")]);
        converse(&one.udp("10.1.0.2"), &two.udp("10.1.0.3"));
        converse(&one.udp("10.1.0.2"), &udp("10.1.0.1"));
        converse(&udp("10.1.0.1"), &two.udp("10.1.0.3"));
    });
}

#[test]
fn by_ipv6_without_waiting_for_duplicate_detection() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["fd00:1::1/64"]);
        let one = Container::join(host, &bridge, 1, &["fd00:1::2/64"], &[default_route("fd00:1::1")]);
        let two = Container::join(host, &bridge, 2, &["fd00:1::3/64"], &[default_route("fd00:1::1")]);
        converse(&one.udp("fd00:1::2"), &two.udp("fd00:1::3"));
        converse(&one.udp("fd00:1::2"), &udp("fd00:1::1"));
    });
}

#[test]
fn the_first_packet_is_not_lost() {
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24", "fd00:1::1/64"]);
        for number in 2..22 {
            let (v4, v6) = (format!("10.1.0.{number}"), format!("fd00:1::{number}"));
            let addresses = [&*format!("{v4}/24"), &*format!("{v6}/64")];
            let container = Container::join(host, &bridge, number, &addresses, &[]);
            for (own, gateway) in [(v4, "10.1.0.1"), (v6, "fd00:1::1")] {
                let (own, gateway) = (container.udp(&own), udp(gateway));
                converse(&own, &gateway);
            }
        }
    });
}

#[test]
fn the_first_port_waits_for_its_bridge() {
    for _ in 0..30 {
        on_a_fresh_host(|host| {
            let bridge = bridge(host, &["10.1.0.1/24"]);
            let netns = NetNs::create().unwrap();
            let veth = veth::create(host, &Pair { bridge: Some(bridge.index), ..pair("veth1", &netns) }).unwrap();
            let container = Container { netns, veth, host_name: "veth1".to_owned() };
            container.configure(&["10.1.0.2/24"], &[], DuplicateDetection::Off);
            wait_until_forwarding(host, &bridge, veth.host_index, PATIENCE).unwrap();
            for index in [veth.host_index, bridge.index] {
                let link = link::get(host, Which::Index(index)).unwrap().unwrap();
                assert_eq!(link.state, OperationalState::Up, "{}", link.name);
            }
        });
    }
}

#[test]
fn an_isolated_port_reaches_the_host_only() {
    for isolated in [false, true] {
        on_a_fresh_host(|host| {
            let bridge = bridge(host, &["10.1.0.1/24"]);
            let port = BridgePort { isolated, ..BridgePort::default() };
            let one = Container::join_by(host, &bridge, 1, port, &["10.1.0.2/24"], &[]);
            let two = Container::join_by(host, &bridge, 2, port, &["10.1.0.3/24"], &[]);
            let (sender, receiver, gateway) = (one.udp("10.1.0.2"), two.udp("10.1.0.3"), udp("10.1.0.1"));
            converse(&gateway, &receiver);
            // Frames cross the bridge while they are sent, so the neighbour's datagram comes before the host's, or never.
            sender.send_to(b"neighbour", receiver.local_addr().unwrap()).unwrap();
            gateway.send_to(b"host", receiver.local_addr().unwrap()).unwrap();
            let mut buffer = [0; 16];
            let (length, _) = receiver.recv_from(&mut buffer).unwrap();
            let expected: &[u8] = if isolated { b"host" } else { b"neighbour" };
            assert_eq!(&buffer[..length], expected, "isolated: {isolated}");
            converse(&sender, &gateway);
        });
    }
}

#[test]
fn neighbours_hear_of_a_new_holder_of_an_address() {
    const ETHERTYPE_ARP: u16 = 0x0806;
    const ETHERTYPE_IPV6: u16 = 0x86dd;
    const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24", "fd00:1::1/64"]);
        let witness = Container::join(host, &bridge, 1, &["10.1.0.2/24", "fd00:1::2/64"], &[]);
        let [arp, ipv6] = [ETHERTYPE_ARP, ETHERTYPE_IPV6].map(|ethertype| witness.inside(|_| ear(ethertype)));
        let newcomer = Container::join(host, &bridge, 2, &["10.1.0.3/24", "fd00:1::3/64"], &[]);
        let mac = newcomer.veth.container_mac.octets();
        // Sender of an ARP packet over Ethernet.
        hear(&arp, |frame| frame[22..28] == mac && frame[28..32] == [10, 1, 0, 3]);
        let address: Ipv6Addr = "fd00:1::3".parse().unwrap();
        hear(&ipv6, |frame| {
            frame[6..12] == mac && frame[54] == NEIGHBOUR_ADVERTISEMENT && frame[62..78] == address.octets()
        });
    });
}

/// Reads frames until one is as expected.
fn hear(ear: &OwnedFd, expected: impl Fn(&[u8; 128]) -> bool) {
    let mut frame = [0; 128];
    while !expected(&frame) {
        frame = [0; 128];
        rustix::net::recv(ear, &mut frame[..], RecvFlags::empty()).expect("a frame");
    }
}

/// Hears every frame of this kind in the current namespace.
fn ear(ethertype: u16) -> OwnedFd {
    let protocol = Protocol::from_raw(u32::from(ethertype.to_be()).try_into().unwrap());
    let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol));
    let socket = socket.unwrap();
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE)).unwrap();
    socket
}
