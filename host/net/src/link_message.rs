//! Reading the kernel's description of an interface.
//!
//! Only what is asked for is read. A typed parser of the whole message fails on any attribute that a newer kernel
//! shaped differently, and with it every ADD.

use crate::Mac;
use crate::link::{BridgePort, Link, OperationalState};
use crate::netlink::message::{attributes_of, text};

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
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
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
    for (kind, value) in attributes_of(info) {
        match kind {
            IFLA_INFO_KIND => link.kind = text(value).map(str::to_owned),
            IFLA_INFO_SLAVE_KIND => is_bridge_port = text(value) == Some("bridge"),
            IFLA_INFO_SLAVE_DATA if is_bridge_port => link.port = Some(port(value)),
            _ => {}
        }
    }
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

/// A number in the machine's byte order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_ne_bytes)
}
