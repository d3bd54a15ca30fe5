//! What is said to the kernel, byte for byte: most kernels that tests run on filter VLANs, but not all, and this is to
//! be right on each. The numbers are those of the kernel's headers `rtnetlink.h`, `if_link.h` and `if_bridge.h`.

use proptest::prelude::*;

use super::*;
use crate::netlink::message::attribute;

const AF_BRIDGE: u8 = 7;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_AF_SPEC: u16 = 26;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 1 << 2;
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_MASTER: u16 = 1;
const PVID: u16 = 1 << 1;
const UNTAGGED: u16 = 1 << 2;
const RANGE_BEGIN: u16 = 1 << 3;
const RANGE_END: u16 = 1 << 4;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// `struct ifinfomsg`.
fn header(index: u32) -> Vec<u8> {
    [&[AF_BRIDGE, 0, 0, 0][..], &index.to_ne_bytes(), &[0; 8]].concat()
}

/// `struct bridge_vlan_info`.
fn info(flags: u16, vlan: u16) -> Vec<u8> {
    attribute(IFLA_BRIDGE_VLAN_INFO, &[flags.to_ne_bytes(), vlan.to_ne_bytes()].concat())
}

fn said_by_hand(index: u32, infos: &[Vec<u8>]) -> Vec<u8> {
    let flags = attribute(IFLA_BRIDGE_FLAGS, &BRIDGE_FLAGS_MASTER.to_ne_bytes());
    [header(index), attribute(IFLA_AF_SPEC, &[flags, infos.concat()].concat())].concat()
}

fn access(native: u16) -> PortVlans {
    PortVlans { native, tagged: vec![], keep_default: false }
}

#[test]
fn a_port_in_one_vlan() {
    let message = Message::of(&RouteNetlinkMessage::SetLink(message::about(7, &access(100).memberships())), 0);
    assert_eq!(message.message_type, RTM_SETLINK);
    assert_eq!(message.body, said_by_hand(7, &[info(PVID | UNTAGGED, 100)]));
}

#[test]
fn a_trunk_of_single_vlans_and_ranges() {
    let trunk = PortVlans { native: 1, tagged: vec![(200, 4094), (101, 101), (103, 104)], keep_default: false };
    let message = Message::of(&RouteNetlinkMessage::SetLink(message::about(7, &trunk.memberships())), 0);
    let infos = [
        info(PVID | UNTAGGED, 1),
        info(0, 101),
        info(RANGE_BEGIN, 103),
        info(RANGE_END, 104),
        info(RANGE_BEGIN, 200),
        info(RANGE_END, 4094),
    ];
    assert_eq!(message.body, said_by_hand(7, &infos));
}

#[test]
fn a_port_loses_the_default_vlan() {
    let unwanted = Membership::tagged(&(1, 1));
    let message = Message::of(&RouteNetlinkMessage::DelLink(message::about(0x0102_0304, &[unwanted])), 0);
    assert_eq!(message.message_type, RTM_DELLINK);
    assert_eq!(message.body, said_by_hand(0x0102_0304, &[info(0, 1)]));
}

#[test]
fn the_question_for_the_vlans_of_ports() {
    let message = Message::of(&RouteNetlinkMessage::GetLink(message::question()), 0);
    assert_eq!(message.message_type, RTM_GETLINK);
    let mask = attribute(IFLA_EXT_MASK, &RTEXT_FILTER_BRVLAN_COMPRESSED.to_ne_bytes());
    assert_eq!(message.body, [header(0), mask].concat());
}

#[test]
fn the_kernels_description_is_read() {
    let name = attribute(3, b"veth1\0");
    let infos = [info(PVID | UNTAGGED, 100), info(0, 101), info(RANGE_BEGIN, 103), info(RANGE_END, 200)].concat();
    // The kernel marks the nest.
    let described = [header(7), name, attribute(0x8000 | IFLA_AF_SPEC, &infos)].concat();
    let memberships = vec![Membership::native(100), Membership::tagged(&(101, 101)), Membership::tagged(&(103, 200))];
    assert_eq!(message::read(&described), Some((7, memberships)));
    assert_eq!(message::read(&header(8)), Some((8, vec![])));
    assert_eq!(message::read(&[0; 15]), None);
    assert_eq!(RTM_NEWLINK, 16, "what a description comes as");
}

#[test]
fn overlapping_ranges_and_the_native_vlan_are_said_once() {
    let said = |native, tagged: &[(u16, u16)]| -> Vec<(u16, u16)> {
        let vlans = PortVlans { native, tagged: tagged.to_vec(), keep_default: false };
        vlans.memberships()[1..].iter().map(|it| (it.first, it.last)).collect()
    };
    assert_eq!(said(1, &[(10, 20), (15, 30), (12, 13)]), [(10, 20), (21, 30)]);
    assert_eq!(said(15, &[(10, 20)]), [(10, 14), (16, 20)]);
    assert_eq!(said(10, &[(10, 20)]), [(11, 20)]);
    assert_eq!(said(20, &[(10, 20)]), [(10, 19)]);
    assert_eq!(said(10, &[(10, 10)]), []);
    assert_eq!(said(1, &[(1, 4094)]), [(2, 4094)]);
    assert_eq!(said(4094, &[(1, 4094)]), [(1, 4093)]);
}

#[test]
fn the_default_vlan_goes_unless_it_is_kept_or_wanted() {
    assert_eq!(access(100).unwanted(Some(1)), Some(1));
    assert_eq!(access(100).unwanted(None), None);
    assert_eq!(access(1).unwanted(Some(1)), None);
    assert_eq!(PortVlans { keep_default: true, ..access(100) }.unwanted(Some(1)), None);
    assert_eq!(PortVlans { tagged: vec![(1, 5)], ..access(100) }.unwanted(Some(1)), None);
}

#[test]
fn differences_are_told_one_by_one() {
    let wanted = PortVlans { tagged: vec![(200, 201)], ..access(100) };
    assert_eq!(wanted.differences(&wanted.memberships(), Some(1)), [""; 0]);
    let other = [Membership::native(1), Membership::tagged(&(100, 100)), Membership::tagged(&(201, 201))];
    assert_eq!(
        wanted.differences(&other, Some(1)),
        ["VLAN 100 is not the native one", "VLAN 200 is missing", "VLAN 1 is not configured"]
    );
    let keeping = PortVlans { keep_default: true, ..access(100) };
    let kept = Membership { native: false, ..Membership::native(1) };
    assert_eq!(keeping.differences(&[kept, Membership::native(100)], Some(1)), [""; 0]);
}

/// All of it but the VLAN itself, which the kernel that tests run on may not have.
#[test]
fn a_gateways_pair_is_made_once_and_leads_to_the_bridge() {
    NetNs::create()
        .unwrap()
        .enter(|| {
            let mut kernel = Socket::open().unwrap();
            let bridge = bridge::ensure(&mut kernel, "br0", Some(1400), false).unwrap();
            let wanted =
                Gateway { name: "br0.100", port_name: "veth1", alias: "whose", vlan: 100, keep_default: false };
            let (made, ends) = ensure_pair(&mut kernel, &bridge, &wanted).unwrap();
            assert!(made);
            assert_eq!(ensure_pair(&mut kernel, &bridge, &wanted).unwrap(), (false, ends));
            let gateway = start_gateway(&mut kernel, &wanted, &ends).unwrap();
            assert!(ensure_address(&mut kernel, &gateway, net("10.1.0.1/24"), false, &[]).unwrap());
            let another = ensure_address(&mut kernel, &gateway, net("10.2.0.1/24"), false, &[]);
            assert!(matches!(another, Err(NetError::AddressConflict { .. })), "{another:?}");
            let pools = [net("10.1.0.0/24"), net("10.2.0.0/24")];
            assert!(ensure_address(&mut kernel, &gateway, net("10.2.0.1/24"), false, &pools).unwrap());
            let own = link::by_name(&mut kernel, "br0.100").unwrap().unwrap();
            assert_eq!((own.index, own.mac, own.mtu, own.up), (gateway.index, Some(gateway.mac), 1400, true));
            assert_eq!(sysctl::get("ipv6/conf/br0.100/accept_ra").unwrap(), "0");
            let port = link::by_name(&mut kernel, "veth1").unwrap().unwrap();
            assert_eq!((port.master, port.alias.as_deref()), (Some(bridge.index), Some("whose")));
        })
        .unwrap();
}

#[test]
fn an_interface_of_the_gateways_name_that_leads_elsewhere_is_left_alone() {
    NetNs::create()
        .unwrap()
        .enter(|| {
            let mut kernel = Socket::open().unwrap();
            let bridge = bridge::ensure(&mut kernel, "br0", None, false).unwrap();
            bridge::ensure(&mut kernel, "br0.100", None, false).unwrap();
            let wanted =
                Gateway { name: "br0.100", port_name: "veth1", alias: "whose", vlan: 100, keep_default: false };
            let error = ensure_gateway(&mut kernel, &bridge, &wanted).unwrap_err();
            assert!(matches!(error, NetError::NotAVlanGateway { .. }), "{error}");
            assert!(link::by_name(&mut kernel, "br0.100").unwrap().unwrap().is_bridge());
            assert_eq!(link::by_name(&mut kernel, "veth1").unwrap(), None);
        })
        .unwrap();
}

proptest! {
    #[test]
    fn what_is_said_is_what_was_asked(native in 1..=LARGEST, tagged in proptest::collection::vec((1..=LARGEST, 0_u16..300), 0..20)) {
        let tagged: Vec<(u16, u16)> = tagged.into_iter().map(|(first, more)| (first, (first + more).min(LARGEST))).collect();
        let vlans = PortVlans { native, tagged: tagged.clone(), keep_default: false };
        let said = vlans.memberships();
        for vlan in 1..=LARGEST {
            let asked = vlan == native || tagged.iter().any(|(first, last)| (*first..=*last).contains(&vlan));
            prop_assert_eq!(said.iter().filter(|it| it.contains(vlan)).count(), usize::from(asked), "VLAN {}", vlan);
        }
        prop_assert_eq!(said.iter().filter(|it| it.native).collect::<Vec<_>>(), [&Membership::native(native)]);
        // And the kernel, which would say the same back, is understood.
        let body = Message::of(&RouteNetlinkMessage::SetLink(message::about(7, &said)), 0).body;
        prop_assert_eq!(message::read(&body), Some((7, said)));
    }

    #[test]
    fn no_bytes_make_the_reader_fail(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = message::read(&bytes);
    }
}
