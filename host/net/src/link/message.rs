//! Reading the kernel's description of an interface.
//!
//! Only what is asked for is read. A typed parser of the whole message fails on any attribute that a newer kernel
//! shaped differently, and with it every ADD.

use super::description::{BridgePort, Link, VlanFiltering};
use crate::Mac;
use crate::netlink::message::{attributes_of, number, text};
use crate::operational_state::OperationalState;

const HEADER: usize = 16;

const IFF_UP: u32 = 0x1;
const IFF_PROMISC: u32 = 0x100;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_LINK_NETNSID: u16 = 37;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;

/// The interface that the body of an `RTM_NEWLINK` message describes.
pub(crate) fn read(body: &[u8]) -> Option<Link> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let word = |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let mut link = Link {
        index: word(4),
        name: String::new(),
        mac: None,
        mtu: 0,
        kind: None,
        up: word(8) & IFF_UP != 0,
        promiscuous: word(8) & IFF_PROMISC != 0,
        state: OperationalState::Unknown,
        master: None,
        peer: None,
        peer_netns: None,
        alias: None,
        port: None,
        vlans: None,
    };
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            IFLA_ADDRESS => link.mac = Mac::from_attribute(value),
            IFLA_IFNAME => text(value)?.clone_into(&mut link.name),
            IFLA_MTU => link.mtu = number(value)?,
            IFLA_LINK => link.peer = number(value),
            IFLA_MASTER => link.master = number(value),
            IFLA_OPERSTATE => link.state = value.first().map_or(OperationalState::Unknown, |state| state_of(*state)),
            IFLA_LINKINFO => read_kind(value, &mut link),
            IFLA_IFALIAS => link.alias = text(value).map(str::to_owned),
            IFLA_LINK_NETNSID => link.peer_netns = value.try_into().ok().map(i32::from_ne_bytes),
            _ => {}
        }
    }
    (!link.name.is_empty()).then_some(link)
}

fn read_kind(info: &[u8], link: &mut Link) {
    let mut is_bridge_port = false;
    let mut data = None;
    for (kind, value) in attributes_of(info) {
        match kind {
            IFLA_INFO_KIND => link.kind = text(value).map(str::to_owned),
            IFLA_INFO_DATA => data = Some(value),
            IFLA_INFO_SLAVE_KIND => is_bridge_port = text(value) == Some("bridge"),
            IFLA_INFO_SLAVE_DATA if is_bridge_port => link.port = Some(port(value)),
            _ => {}
        }
    }
    link.vlans = data.filter(|_| link.is_bridge()).and_then(vlan_filtering);
}

/// None from a kernel without VLAN filtering: it shows the switch as off, but no default VLAN.
fn vlan_filtering(settings: &[u8]) -> Option<VlanFiltering> {
    let (mut on, mut default_vlan) = (false, None);
    for (kind, value) in attributes_of(settings) {
        match kind {
            IFLA_BR_VLAN_FILTERING => on = value.first() == Some(&1),
            IFLA_BR_VLAN_DEFAULT_PVID => default_vlan = value.try_into().ok().map(u16::from_ne_bytes),
            _ => {}
        }
    }
    default_vlan.map(|vlan| VlanFiltering { on, default_vlan: (vlan != 0).then_some(vlan) })
}

fn port(settings: &[u8]) -> BridgePort {
    let mut port = BridgePort::default();
    for (kind, value) in attributes_of(settings) {
        match kind {
            IFLA_BRPORT_MODE => port.hairpin = value.first() == Some(&1),
            IFLA_BRPORT_ISOLATED => port.isolated = value.first() == Some(&1),
            _ => {}
        }
    }
    port
}

fn state_of(code: u8) -> OperationalState {
    match code {
        1 => OperationalState::NotPresent,
        2 => OperationalState::Down,
        3 => OperationalState::LowerLayerDown,
        4 => OperationalState::Testing,
        5 => OperationalState::Dormant,
        6 => OperationalState::Up,
        _ => OperationalState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::attribute;

    fn described(kind: &str, settings: &[u8]) -> Link {
        let info = [attribute(IFLA_INFO_KIND, kind.as_bytes()), attribute(IFLA_INFO_DATA, settings)].concat();
        read(&[vec![0; HEADER], attribute(IFLA_IFNAME, b"br0\0"), attribute(IFLA_LINKINFO, &info)].concat()).unwrap()
    }

    #[test]
    fn a_bridge_says_whether_it_filters_vlans_and_whether_it_could() {
        let filtering = |on: u8, default: Option<u16>| {
            let default =
                default.map(|vlan| attribute(IFLA_BR_VLAN_DEFAULT_PVID, &vlan.to_ne_bytes())).unwrap_or_default();
            described("bridge\0", &[attribute(IFLA_BR_VLAN_FILTERING, &[on]), default].concat()).vlans
        };
        assert_eq!(filtering(1, Some(1)), Some(VlanFiltering { on: true, default_vlan: Some(1) }));
        assert_eq!(filtering(1, Some(0)), Some(VlanFiltering { on: true, default_vlan: None }));
        assert_eq!(filtering(0, Some(7)), Some(VlanFiltering { on: false, default_vlan: Some(7) }));
        assert_eq!(filtering(0, None), None);
    }

    #[test]
    fn the_same_numbers_of_another_kind_of_interface_mean_something_else() {
        assert_eq!(described("veth\0", &attribute(IFLA_BR_VLAN_DEFAULT_PVID, &1_u16.to_ne_bytes())).vlans, None);
    }
}
