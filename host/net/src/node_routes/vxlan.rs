//! The vxlan device of a network. Its name and Ethernet address are derived from the network's and the node's names, so that
//! they are the same after every restart.

use std::fmt::Write;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use sha2::{Digest, Sha256};

use super::error::NodeRoutesError;
use super::report::Device;
use super::{Vxlan, route_lookup};
use crate::link::{self, Change, Link, Which};
use crate::netlink::message::{attributes_of, number};
use crate::netlink::{ErrorKind, Message, Route, Socket};
use crate::{Mac, NetError, truncate_name};

/// The UDP port that IANA gave to VXLAN.
pub const DEFAULT_PORT: u16 = 4789;
const LARGEST_IDENTIFIER: u32 = 0xff_ffff;
const LONGEST_NAME: usize = 15;
const NAME_PREFIX: &str = "ggv-";
/// IPv6's minimum for links, which is larger than IPv4's.
const SMALLEST_MTU: u32 = 1280;

const LINK_HEADER: usize = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_GROUP6: u16 = 16;
const IFLA_VXLAN_LOCAL6: u16 = 17;

/// The name of a network's vxlan device: `ggv-NETWORK`, or `ggv-` and 11 hexadecimal digits of its hash if that is too
/// long for an interface.
pub fn device_name(network: &str) -> String {
    let plain = format!("{NAME_PREFIX}{network}");
    if plain.len() <= LONGEST_NAME {
        return plain;
    }
    let mut digits = String::new();
    for byte in &hash(&["device", network])[..6] {
        let _ = write!(digits, "{byte:02x}");
    }
    format!("{NAME_PREFIX}{}", &digits[..LONGEST_NAME - NAME_PREFIX.len()])
}

/// The Ethernet address of a node's vxlan device: a locally administered one made of 46 bits of the names' hash.
pub fn device_mac(network: &str, node: &str) -> Mac {
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&hash(&["mac", network, node])[..6]);
    Mac::local(bytes)
}

/// The default VXLAN network identifier: 24 bits of the name's hash, never 0. Networks that share nodes and a port need
/// different ones.
pub fn network_identifier(network: &str) -> u32 {
    let [a, b, c, ..] = hash(&["vni", network]);
    u32::from_be_bytes([0, a, b, c]).max(1)
}

/// A zero byte ends each part: names contain none.
fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update("gingham\0");
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// The bytes that vxlan adds to a packet: Ethernet 14, vxlan 8, UDP 8, and the outer IP header.
pub(super) fn overhead(local: IpAddr) -> u32 {
    if local.is_ipv4() { 50 } else { 70 }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Ensured {
    pub(super) index: u32,
    pub(super) outcome: Device,
}

/// Creates the device if it is missing. One with other fixed parameters is recreated with the same Ethernet address, and the
/// kernel deletes its routes and neighbours.
pub(super) fn ensure(kernel: &mut Socket<Route>, network: &str, wanted: &Vxlan) -> Result<Ensured, NodeRoutesError> {
    if !(1..=LARGEST_IDENTIFIER).contains(&wanted.id) {
        return Err(NodeRoutesError::BadIdentifier { id: wanted.id });
    }
    let uplink = route_lookup::uplink(kernel, wanted.local)?;
    let mtu = device_mtu(&uplink, wanted)?;
    let name = device_name(network);
    let mut outcome = Device::Created;
    if let Some((device, fixed)) = present(kernel, network, &name)? {
        if fixed == Some(Fixed::of(wanted, &uplink)) {
            let adjusted = adjust(kernel, network, &device, wanted.mac, mtu)?;
            return Ok(Ensured {
                index: device.index,
                outcome: if adjusted { Device::Adjusted } else { Device::Unchanged },
            });
        }
        link::delete(kernel, Which::Index(device.index))?;
        outcome = Device::Recreated;
    }
    create(kernel, network, &name, wanted, &uplink, mtu)?;
    let device = link::by_name(kernel, &name)?.ok_or(NetError::NoSuchInterface { name })?;
    adjust(kernel, network, &device, wanted.mac, mtu)?;
    Ok(Ensured { index: device.index, outcome })
}

/// Returns whether there was one. An interface of that name that is not ours stays.
pub(super) fn remove(kernel: &mut Socket<Route>, network: &str) -> Result<bool, NetError> {
    match present(kernel, network, &device_name(network)) {
        Ok(Some((device, _))) => link::delete(kernel, Which::Index(device.index)),
        Err(NodeRoutesError::Net(error)) => Err(error),
        Ok(None) | Err(_) => Ok(false),
    }
}

/// The parameters that the kernel cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fixed {
    id: u32,
    port: u16,
    local: Option<IpAddr>,
    uplink: u32,
    learning: bool,
    /// Sends frames for unknown addresses to a group or node.
    floods: bool,
}

impl Fixed {
    fn of(wanted: &Vxlan, uplink: &Link) -> Self {
        let (id, port, local) = (wanted.id, wanted.port, Some(wanted.local));
        Self { id, port, local, uplink: uplink.index, learning: false, floods: false }
    }

    /// From the body of an `RTM_NEWLINK` message.
    fn read(body: &[u8]) -> Option<Self> {
        let info = value_of(body.get(LINK_HEADER..)?, IFLA_LINKINFO)?;
        let data = value_of(info, IFLA_INFO_DATA)?;
        let mut fixed = Self { id: 0, port: 0, local: None, uplink: 0, learning: false, floods: false };
        for (kind, value) in attributes_of(data) {
            match kind {
                IFLA_VXLAN_ID => fixed.id = number(value)?,
                IFLA_VXLAN_LINK => fixed.uplink = number(value)?,
                IFLA_VXLAN_PORT => fixed.port = u16::from_be_bytes(value.try_into().ok()?),
                IFLA_VXLAN_LOCAL => fixed.local = Some(<[u8; 4]>::try_from(value).ok()?.into()),
                IFLA_VXLAN_LOCAL6 => fixed.local = Some(<[u8; 16]>::try_from(value).ok()?.into()),
                IFLA_VXLAN_LEARNING => fixed.learning = value.first() != Some(&0),
                IFLA_VXLAN_GROUP | IFLA_VXLAN_GROUP6 => fixed.floods = value.iter().any(|byte| *byte != 0),
                _ => {}
            }
        }
        Some(fixed)
    }
}

fn value_of(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes_of(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// The network's device and its parameters, if it is there.
fn present(
    kernel: &mut Socket<Route>,
    network: &str,
    name: &str,
) -> Result<Option<(Link, Option<Fixed>)>, NodeRoutesError> {
    let Some(body) = link::description(kernel, Which::Name(name))? else { return Ok(None) };
    let not_ours = || NodeRoutesError::NotOurs { device: name.to_owned(), network: network.to_owned() };
    let device = link::message::read(&body).ok_or_else(not_ours)?;
    // The alias is set after the creation, and the process may have been killed in between.
    let ours = device.alias.as_ref().is_none_or(|present| *present == alias(network));
    if device.kind.as_deref() != Some("vxlan") || !ours {
        return Err(not_ours());
    }
    Ok(Some((device, Fixed::read(&body))))
}

fn alias(network: &str) -> String {
    format!("gingham {} vxlan", truncate_name(network, 200))
}

fn device_mtu(uplink: &Link, wanted: &Vxlan) -> Result<u32, NodeRoutesError> {
    let overhead = overhead(wanted.local);
    let mtu = uplink.mtu.saturating_sub(overhead);
    if mtu < SMALLEST_MTU {
        return Err(NodeRoutesError::MtuTooSmall { interface: uplink.name.clone(), mtu: uplink.mtu, overhead });
    }
    // The loopback interface, which tests use, has an MTU above the largest packet.
    Ok(mtu.min(65_535))
}

fn create(
    kernel: &mut Socket<Route>,
    network: &str,
    name: &str,
    wanted: &Vxlan,
    uplink: &Link,
    mtu: u32,
) -> Result<(), NodeRoutesError> {
    let local = match wanted.local {
        IpAddr::V4(local) => InfoVxlan::Local(local),
        IpAddr::V6(local) => InfoVxlan::Local6(local),
    };
    let settings = vec![
        InfoVxlan::Id(wanted.id),
        InfoVxlan::Link(uplink.index),
        local,
        InfoVxlan::Port(wanted.port),
        InfoVxlan::Learning(false),
    ];
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Address(wanted.mac.octets().to_vec()),
        LinkAttribute::Mtu(mtu),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vxlan), LinkInfo::Data(InfoData::Vxlan(settings))]),
    ];
    let message = Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
    match kernel.request("create", &message) {
        Ok(()) => Ok(()),
        Err(error) if error.kind == ErrorKind::AlreadyExists => {
            if link::by_name(kernel, name)?.is_some() {
                // Another process created it.
                return Ok(());
            }
            let (id, port) = (wanted.id, wanted.port);
            Err(NodeRoutesError::IdentifierTaken { network: network.to_owned(), id, port })
        }
        Err(source) => Err(NetError::Kernel { object: format!("the vxlan device {name:?}"), source }.into()),
    }
}

/// Corrects the parameters that the kernel can change. Returns whether any differed.
fn adjust(kernel: &mut Socket<Route>, network: &str, device: &Link, mac: Mac, mtu: u32) -> Result<bool, NetError> {
    let alias = alias(network);
    let change = Change {
        up: (!device.up).then_some(true),
        mtu: (device.mtu != mtu).then_some(mtu),
        mac: (device.mac != Some(mac)).then_some(mac),
        alias: device.alias.is_none().then_some(&alias),
        ..Change::default()
    };
    let needed = change.up.is_some() || change.mtu.is_some() || change.mac.is_some() || change.alias.is_some();
    if needed {
        link::change(kernel, Which::Index(device.index), &change)?;
    }
    Ok(needed)
}
