//! However many plugins run at once, there is one bridge with one address, its Ethernet address stays what it is, and
//! nothing that somebody else set up is overwritten.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use std::sync::Barrier;

use gingham_net::bridge::{self, Bridge};
use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::Message;
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use gingham_net::{Mac, NetError, address, sysctl};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkMessage};
use testbed::{Container, Kernel, net, on_a_fresh_host, pair};

#[test]
fn fifty_at_once_make_one() {
    const CALLERS: usize = 50;
    on_a_fresh_host(|host| {
        let start = Barrier::new(CALLERS);
        let made = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut kernel = Kernel::open().unwrap();
                        start.wait();
                        let bridge = bridge::ensure(&mut kernel, "br0", None, false).unwrap();
                        let v4 = bridge::ensure_address(&mut kernel, &bridge, net("10.1.0.1/24"), false).unwrap();
                        let v6 = bridge::ensure_address(&mut kernel, &bridge, net("fd00:1::1/64"), false).unwrap();
                        (bridge, v4, v6)
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|(bridge, ..)| *bridge == made[0].0));
        assert_eq!(made.iter().filter(|(_, v4, _)| *v4).count(), 1);
        assert_eq!(made.iter().filter(|(_, _, v6)| *v6).count(), 1);
        let link = link::by_name(host, "br0").unwrap().unwrap();
        assert_eq!((link.up, link.mac), (true, Some(made[0].0.mac)));
        assert_eq!(sysctl::get("ipv6/conf/br0/accept_ra").unwrap(), "0");
    });
}

#[test]
fn its_ethernet_address_stays_when_ports_come_and_go() {
    on_a_fresh_host(|host| {
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        for number in 1..6 {
            let container = Container::join(host, &bridge, number, &[], &[]);
            assert_eq!(mac_of(host), bridge.mac.to_string());
            assert!(link::delete(host, Which::Name(&container.host_name)).unwrap());
            assert_eq!(mac_of(host), bridge.mac.to_string());
        }
    });
}

#[test]
fn a_foreign_bridge_that_lost_its_ethernet_address_gets_one_that_stays() {
    on_a_fresh_host(|host| {
        make_plain_bridge(host, "br0");
        let index = link::by_name(host, "br0").unwrap().unwrap().index;
        let netns = NetNs::create().unwrap();
        veth::create(host, &Pair { bridge: Some(index), ..pair("veth1", &netns) }).unwrap();
        link::delete(host, Which::Name("veth1")).unwrap();
        assert_eq!(mac_of(host), "00:00:00:00:00:00", "the kernel has changed its ways: this test proves nothing");

        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        assert_ne!(bridge.mac.octets(), [0; 6]);
        bridge::ensure_address(host, &bridge, net("10.1.0.1/24"), false).unwrap();
        assert_eq!(mac_of(host), bridge.mac.to_string());
        Container::join(host, &bridge, 2, &["10.1.0.2/24"], &[]);
        assert_eq!(mac_of(host), bridge.mac.to_string());
    });
}

/// It is the one of the host's own network card: neighbours and the DHCP server know the host by it.
#[test]
fn the_ethernet_address_of_a_foreign_bridge_with_a_port_stays() {
    on_a_fresh_host(|host| {
        make_plain_bridge(host, "br0");
        let index = link::by_name(host, "br0").unwrap().unwrap().index;
        let outside = NetNs::create().unwrap();
        veth::create(host, &Pair { bridge: Some(index), ..pair("nic", &outside) }).unwrap();
        // As high as the kernel's random ones come, so that nearly every other one would be lower.
        let mac = Mac::new([0xfa, 0xff, 0xff, 0xff, 0xff, 0xff]).unwrap();
        link::change(host, Which::Name("nic"), &Change { mac: Some(mac), ..Change::default() }).unwrap();
        assert_eq!(
            mac_of(host),
            mac.to_string(),
            "the bridge has not taken its port's address: this test proves nothing"
        );
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        for number in 1..6 {
            Container::join(host, &bridge, number, &[], &[]);
            assert_eq!(mac_of(host), mac.to_string());
        }
    });
}

#[test]
fn the_address_of_a_foreign_bridge_stays_from_when_it_becomes_a_gateway() {
    on_a_fresh_host(|host| {
        make_plain_bridge(host, "br0");
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        bridge::ensure_address(host, &bridge, net("10.1.0.1/24"), false).unwrap();
        for number in 1..6 {
            Container::join(host, &bridge, number, &[], &[]);
            assert_eq!(mac_of(host), bridge.mac.to_string());
        }
    });
}

#[test]
fn something_else_of_that_name_is_left_alone() {
    on_a_fresh_host(|host| {
        let netns = NetNs::create().unwrap();
        veth::create(host, &pair("br0", &netns)).unwrap();
        let error = bridge::ensure(host, "br0", None, false).unwrap_err();
        assert!(matches!(&error, NetError::NotABridge { name } if name == "br0"));
        assert!(error.to_string().starts_with(r#""br0" already exists but is not a bridge"#), "{error}");
        assert!(link::by_name(host, "br0").unwrap().unwrap().is_veth());
        assert!(matches!(bridge::ensure(host, "lo", None, false), Err(NetError::NotABridge { .. })));
    });
}

#[test]
fn impossible_names_are_refused_by_us() {
    on_a_fresh_host(|host| {
        for name in ["", ".", "..", "a/b", "a b", "a:b", "sixteen-letters-", "br%d"] {
            let error = bridge::ensure(host, name, None, false).unwrap_err();
            assert!(matches!(error, NetError::BadInterfaceName { .. }), "{name:?}: {error}");
        }
        bridge::ensure(host, "fifteen-letters", None, false).unwrap();
    });
}

#[test]
fn the_mtu_is_for_a_new_bridge_only() {
    on_a_fresh_host(|host| {
        bridge::ensure(host, "br0", Some(1400), false).unwrap();
        assert_eq!(link::by_name(host, "br0").unwrap().unwrap().mtu, 1400);
        bridge::ensure(host, "br0", Some(1300), false).unwrap();
        assert_eq!(link::by_name(host, "br0").unwrap().unwrap().mtu, 1400);
    });
}

#[test]
fn promiscuous_mode_is_set_and_stays() {
    on_a_fresh_host(|host| {
        bridge::ensure(host, "br0", None, false).unwrap();
        assert!(!link::by_name(host, "br0").unwrap().unwrap().promiscuous);
        bridge::ensure(host, "br0", None, true).unwrap();
        assert!(link::by_name(host, "br0").unwrap().unwrap().promiscuous);
        bridge::ensure(host, "br0", None, false).unwrap();
        assert!(link::by_name(host, "br0").unwrap().unwrap().promiscuous);
    });
}

#[test]
fn a_bridge_that_is_down_is_set_up() {
    on_a_fresh_host(|host| {
        bridge::ensure(host, "br0", None, false).unwrap();
        sysctl::set("ipv6/conf/br0/accept_ra", "1").unwrap();
        link::change(host, Which::Name("br0"), &Change { up: Some(false), ..Change::default() }).unwrap();
        bridge::ensure(host, "br0", None, false).unwrap();
        assert!(link::by_name(host, "br0").unwrap().unwrap().up);
        assert_eq!(sysctl::get("ipv6/conf/br0/accept_ra").unwrap(), "0");
    });
}

#[test]
fn another_ipv4_address_stands_in_the_way_unless_forced() {
    on_a_fresh_host(|host| {
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        assert!(bridge::ensure_address(host, &bridge, net("10.1.0.1/24"), false).unwrap());
        assert!(!bridge::ensure_address(host, &bridge, net("10.1.0.1/24"), false).unwrap());
        for other in ["10.2.0.1/24", "10.1.0.1/16", "10.1.0.254/24"] {
            let error = bridge::ensure_address(host, &bridge, net(other), false).unwrap_err();
            assert!(matches!(error, NetError::AddressConflict { .. }));
            let text = format!("\"br0\" already has an IP address different from {other}: 10.1.0.1/24");
            assert!(error.to_string().starts_with(&text), "{error}");
        }
        assert_eq!(addresses(host, &bridge), ["10.1.0.1/24"]);
        assert!(bridge::ensure_address(host, &bridge, net("10.2.0.1/24"), true).unwrap());
        assert_eq!(addresses(host, &bridge), ["10.2.0.1/24"]);
    });
}

#[test]
fn ipv6_addresses_of_other_networks_stand_beside() {
    on_a_fresh_host(|host| {
        let bridge = bridge::ensure(host, "br0", None, false).unwrap();
        bridge::ensure_address(host, &bridge, net("10.1.0.1/24"), false).unwrap();
        bridge::ensure_address(host, &bridge, net("fd00:1::1/64"), false).unwrap();
        bridge::ensure_address(host, &bridge, net("fd00:2::1/64"), false).unwrap();
        for overlapping in ["fd00:1::2/64", "fd00::1/16", "fd00:1::8000:0:0:1/66"] {
            let result = bridge::ensure_address(host, &bridge, net(overlapping), false);
            let conflicts = overlapping != "fd00:1::1:0:0:0/80" || net("fd00:1::1/64").contains(&net(overlapping));
            assert_eq!(matches!(result, Err(NetError::AddressConflict { .. })), conflicts, "{overlapping}: {result:?}");
        }
        assert!(bridge::ensure_address(host, &bridge, net("fd00:1::2/64"), true).unwrap());
        assert_eq!(addresses(host, &bridge), ["10.1.0.1/24", "fd00:1::2/64", "fd00:2::1/64"]);
    });
}

fn mac_of(host: &mut Kernel) -> String {
    link::by_name(host, "br0").unwrap().unwrap().mac.unwrap().to_string()
}

/// The bridge's addresses but for the link's own, sorted.
fn addresses(host: &mut Kernel, bridge: &Bridge) -> Vec<String> {
    let mut addresses: Vec<_> =
        address::list(host, bridge.index).unwrap().iter().map(|address| address.net.to_string()).collect();
    addresses.retain(|address| !address.starts_with("fe80:"));
    addresses.sort();
    addresses
}

/// A bridge as `ip link add NAME type bridge` makes it: the kernel chooses the Ethernet address and changes it at will.
fn make_plain_bridge(host: &mut Kernel, name: &str) {
    let mut message = LinkMessage::default();
    message.attributes =
        vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)])];
    let message = Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
    host.request("create", &message).unwrap();
}
