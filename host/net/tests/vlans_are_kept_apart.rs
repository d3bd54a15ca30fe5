//! On a kernel whose bridges filter VLANs, ports see the frames of their VLANs alone. On one that lacks it, whoever asks
//! hears so, and nothing is made: each test asserts one or the other, so none is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod testbed;

use gingham_net::address::DuplicateDetection;
use gingham_net::bridge;
use gingham_net::link::{self, BridgePort};
use gingham_net::netns::NetNs;
use gingham_net::veth::{self, Pair};
use gingham_net::vlan::{self, Gateway, Membership, PortVlans};
use gingham_net::{NetError, container};
use testbed::{Container, Kernel, PATIENCE, converse, net, on_a_fresh_host, pair, udp};

/// Whether bridges of this kernel have a VLAN for new ports, which is how it shows that it knows VLANs.
fn kernel_filters(host: &mut Kernel) -> bool {
    bridge::ensure(host, "probe", None, false).unwrap();
    let filters = link::by_name(host, "probe").unwrap().unwrap().vlans.is_some();
    link::delete(host, link::Which::Name("probe")).unwrap();
    filters
}

fn access(native: u16) -> PortVlans {
    PortVlans { native, tagged: vec![], keep_default: false }
}

#[test]
fn a_filtering_bridge_is_made_or_refused_with_nothing_left() {
    on_a_fresh_host(|host| {
        let filters = kernel_filters(host);
        let made = bridge::ensure_filtering(host, "br0", None, false);
        if filters {
            assert_eq!(made.unwrap().default_vlan, Some(1));
            let vlans = link::by_name(host, "br0").unwrap().unwrap().vlans.unwrap();
            assert!(vlans.on);
            bridge::ensure_filtering(host, "br0", None, false).expect("the same once more");
        } else {
            let error = made.unwrap_err();
            assert!(matches!(error, NetError::NoVlanFiltering), "{error}");
            let text = error.to_string();
            assert!(text.contains("vlan") && text.contains("CONFIG_BRIDGE_VLAN_FILTERING"), "{text}");
            assert_eq!(link::by_name(host, "br0").unwrap(), None, "nothing is left");
        }
    });
}

#[test]
fn a_bridge_that_does_not_filter_is_refused_and_stays_as_it_is() {
    on_a_fresh_host(|host| {
        let filters = kernel_filters(host);
        bridge::ensure(host, "br0", None, false).unwrap();
        let before = link::by_name(host, "br0").unwrap();
        let error = bridge::ensure_filtering(host, "br0", None, false).unwrap_err();
        if filters {
            assert!(matches!(&error, NetError::VlansNotFiltered { bridge } if bridge == "br0"), "{error}");
            assert!(error.to_string().contains("ip link set br0 type bridge vlan_filtering 1"), "{error}");
        } else {
            assert!(matches!(error, NetError::NoVlanFiltering), "{error}");
        }
        assert_eq!(link::by_name(host, "br0").unwrap(), before);
    });
}

#[test]
fn a_port_gets_the_vlans_it_is_given_and_no_others() {
    on_a_fresh_host(|host| {
        let filters = kernel_filters(host);
        let made = if filters { bridge::ensure_filtering } else { bridge::ensure }(host, "br0", None, false);
        let bridge = made.unwrap();
        let netns = NetNs::create().unwrap();
        let veth = veth::create(host, &Pair { bridge: Some(bridge.index), ..pair("veth1", &netns) }).unwrap();
        let trunk = PortVlans { tagged: vec![(200, 210), (7, 7)], ..access(100) };
        for _ in 0..2 {
            let done = vlan::assign(host, &bridge, veth.host_index, &trunk);
            if !filters {
                assert!(matches!(done, Err(NetError::NoVlanFiltering)), "{done:?}");
                assert_eq!(vlan::of_port(host, veth.host_index).unwrap(), []);
                return;
            }
            done.unwrap();
            let present = vlan::of_port(host, veth.host_index).unwrap();
            assert_eq!(trunk.differences(&present, bridge.default_vlan), [""; 0]);
        }
        let other = NetNs::create().unwrap();
        let keeping = PortVlans { keep_default: true, ..access(300) };
        let veth = veth::create(host, &Pair { bridge: Some(bridge.index), ..pair("veth2", &other) }).unwrap();
        vlan::assign(host, &bridge, veth.host_index, &keeping).unwrap();
        let present = vlan::of_port(host, veth.host_index).unwrap();
        assert!(present.contains(&Membership::native(300)), "{present:?}");
        assert_eq!(present.len(), 2, "{present:?}");
    });
}

#[test]
fn a_gateway_is_reached_from_its_vlan_and_from_no_other() {
    on_a_fresh_host(|host| {
        let gateway = Gateway { name: "br0.100", port_name: "gateway", alias: "whose", vlan: 100, keep_default: false };
        if !kernel_filters(host) {
            let bridge = bridge::ensure(host, "br0", None, false).unwrap();
            let error = vlan::ensure_gateway(host, &bridge, &gateway).unwrap_err();
            assert!(matches!(error, NetError::NoVlanFiltering), "{error}");
            for name in ["br0.100", "gateway"] {
                assert_eq!(link::by_name(host, name).unwrap(), None, "{name} is gone again");
            }
            return;
        }
        let bridge = bridge::ensure_filtering(host, "br0", None, false).unwrap();
        let made = vlan::ensure_gateway(host, &bridge, &gateway).unwrap();
        assert_eq!(vlan::ensure_gateway(host, &bridge, &gateway).unwrap(), made);
        assert!(vlan::ensure_address(host, &made, net("10.1.0.1/24"), false, &[]).unwrap());
        let one = join(host, &bridge, 1, 100, "10.1.0.2/24");
        let other = join(host, &bridge, 2, 100, "10.1.0.3/24");
        converse(&one.udp("10.1.0.2"), &udp("10.1.0.1"));
        converse(&one.udp("10.1.0.2"), &other.udp("10.1.0.3"));
        // The same address in another VLAN: what is sent to it arrives in this one.
        let twin = join(host, &bridge, 3, 200, "10.1.0.3/24");
        let (here, there) = (other.udp("10.1.0.3"), twin.udp("10.1.0.3"));
        converse(&one.udp("10.1.0.2"), &here);
        there.set_nonblocking(true).unwrap();
        assert!(there.recv(&mut [0; 8]).is_err());
    });
}

fn join(host: &mut Kernel, bridge: &bridge::Bridge, number: u8, vlan: u16, address: &str) -> Container {
    let netns = NetNs::create().unwrap();
    let host_name = format!("veth{number}");
    let pair = Pair { bridge: Some(bridge.index), port: BridgePort::default(), ..pair(&host_name, &netns) };
    let veth = veth::create(host, &pair).unwrap();
    vlan::assign(host, bridge, veth.host_index, &access(vlan)).unwrap();
    let container = Container { netns, veth, host_name };
    let mut inside = container.configure(&[address], &[], DuplicateDetection::Off);
    bridge::wait_until_forwarding(host, bridge, veth.host_index, PATIENCE).unwrap();
    container::announce(&mut inside, veth.container_index, veth.container_mac).unwrap();
    container
}
