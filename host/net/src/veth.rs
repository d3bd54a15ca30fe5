//! Veth pairs: one end on the host, the other born in the container.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};

use crate::link::{self, BridgePort, Change, Which};
use crate::netlink::{ErrorKind, Message, NetlinkError, Route, Socket};
use crate::netns::NetNs;
use crate::{Mac, NetError, sysctl};

/// A veth pair to make.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// The name of the host's end.
    pub host_name: &'a str,
    /// The name of the container's end, in the container.
    pub container_name: &'a str,
    /// The namespace of the container.
    pub container: &'a NetNs,
    /// The Ethernet address of the container's end; a random one if `None`.
    pub mac: Option<Mac>,
    /// The MTU of both ends in bytes; the kernel's default, 1500, if `None`.
    pub mtu: Option<u32>,
    /// The index of the bridge that the host's end becomes a port of, if of any.
    pub bridge: Option<u32>,
    /// What that bridge does with the port. Without a bridge it has no meaning.
    pub port: BridgePort,
    /// Free text to attach to the host's end, at most 255 bytes: whose it is, so that it can be found again.
    pub alias: Option<&'a str>,
}

/// A veth pair that was made: the host's end is up, the container's end is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Veth {
    /// The index of the host's end.
    pub host_index: u32,
    /// The Ethernet address of the host's end.
    pub host_mac: Mac,
    /// The index of the container's end, in the container.
    pub container_index: u32,
    /// The Ethernet address of the container's end.
    pub container_mac: Mac,
}

/// Makes a veth pair, the host's end in the namespace of `kernel`. If that fails halfway, nothing is left.
///
/// # Errors
/// [`NetError::ContainerInterfaceExists`] or [`NetError::HostInterfaceExists`] if a name is taken.
pub fn create(kernel: &mut Socket<Route>, pair: &Pair<'_>) -> Result<Veth, NetError> {
    link::require_name(pair.host_name)?;
    link::require_name(pair.container_name)?;
    // Addresses that are set are not random in the kernel's eyes, so udev leaves them alone.
    let host_mac = Mac::random_of_port()?;
    let container_mac = pair.mac.map_or_else(Mac::random, Ok)?;
    let message = creation(pair, host_mac, container_mac);
    let message = Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
    if let Err(error) = kernel.request("create", &message) {
        return Err(explain(kernel, pair, error));
    }
    finish(kernel, pair, host_mac, container_mac).inspect_err(|_| {
        // The error that is reported is the first one.
        let _ = link::delete(kernel, Which::Name(pair.host_name));
    })
}

fn creation(pair: &Pair<'_>, host_mac: Mac, container_mac: Mac) -> LinkMessage {
    let mut peer = LinkMessage::default();
    peer.attributes = end(pair.container_name, container_mac, pair.mtu);
    peer.attributes.push(LinkAttribute::NetNsFd(pair.container.as_fd().as_raw_fd()));
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = end(pair.host_name, host_mac, pair.mtu);
    message.attributes.extend(pair.bridge.map(LinkAttribute::Controller));
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    message
}

fn end(name: &str, mac: Mac, mtu: Option<u32>) -> Vec<LinkAttribute> {
    let mut attributes = vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::Address(mac.octets().to_vec())];
    attributes.extend(mtu.map(LinkAttribute::Mtu));
    attributes
}

/// What the kernel does not take at creation, and the indices.
fn finish(kernel: &mut Socket<Route>, pair: &Pair<'_>, host_mac: Mac, container_mac: Mac) -> Result<Veth, NetError> {
    let port = pair.bridge.and(Some(pair.port)).filter(|port| *port != BridgePort::default());
    if pair.alias.is_some() || port.is_some() {
        let change = Change { alias: pair.alias, port, ..Change::default() };
        link::change(kernel, Which::Name(pair.host_name), &change)?;
    }
    if pair.bridge.is_none() {
        // A bridge takes what arrives at its ports before the host's own stack sees it.
        sysctl::refuse_router_advertisements(pair.host_name);
    }
    let gone = || NetError::NoSuchInterface { name: pair.host_name.to_owned() };
    let host = link::by_name(kernel, pair.host_name)?.ok_or_else(gone)?;
    let container_index = host.peer.ok_or_else(gone)?;
    Ok(Veth { host_index: host.index, host_mac, container_index, container_mac })
}

/// The kernel says only that a name is taken; which one is to be found out.
fn explain(kernel: &mut Socket<Route>, pair: &Pair<'_>, error: NetlinkError) -> NetError {
    if error.kind == ErrorKind::AlreadyExists {
        return match link::by_name(kernel, pair.host_name) {
            Ok(Some(_)) => NetError::HostInterfaceExists { name: pair.host_name.to_owned() },
            _ => NetError::ContainerInterfaceExists { name: pair.container_name.to_owned() },
        };
    }
    // About a bad MTU the kernel says no more than "Invalid argument".
    let mtu = pair.mtu.map(|mtu| format!(" with MTU {mtu}")).unwrap_or_default();
    let object = format!("the veth pair {:?} (host) and {:?} (container){mtu}", pair.host_name, pair.container_name);
    NetError::Kernel { object, source: error }
}
