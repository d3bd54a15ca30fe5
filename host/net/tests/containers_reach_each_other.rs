//! Two containers on a bridge, and the host, exchange packets as soon as attaching has returned, by IPv4 and IPv6, and
//! neighbours learn of a new holder of an address at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod ground;

use std::os::fd::OwnedFd;

use gingham_net::link::BridgePort;
use ground::{Container, PATIENCE, bridge, converse, default_route, on_a_fresh_host, udp};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType};

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
    on_a_fresh_host(|host| {
        let bridge = bridge(host, &["10.1.0.1/24"]);
        let witness = Container::join(host, &bridge, 1, &["10.1.0.2/24"], &[]);
        let ear = witness.inside(|_| arp_socket());
        let newcomer = Container::join(host, &bridge, 2, &["10.1.0.3/24"], &[]);
        let mut frame = [0; 128];
        loop {
            let (_, length) = rustix::net::recv(&ear, &mut frame[..], RecvFlags::empty()).expect("an ARP packet");
            // Sender's hardware and protocol address of an Ethernet ARP packet.
            let (mac, ip) = (&frame[22..28], &frame[28..32]);
            if length >= 42 && ip == [10, 1, 0, 3] {
                assert_eq!(mac, newcomer.veth.container_mac.octets());
                break;
            }
        }
    });
}

/// Hears every ARP packet of the current namespace.
fn arp_socket() -> OwnedFd {
    const ETH_P_ARP: u32 = 0x0806_u16.to_be() as u32;
    let protocol = Protocol::from_raw(ETH_P_ARP.try_into().unwrap());
    let socket =
        rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, Some(protocol)).unwrap();
    rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(PATIENCE)).unwrap();
    socket
}
