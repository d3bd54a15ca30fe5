//! Interfaces of any kind: looking at them, changing them, deleting them.

mod description;
pub(crate) mod message;
mod namespace_number;

use std::fmt;
use std::time::{Duration, Instant};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoPortData, InfoPortKind, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};

use crate::error::About;
use crate::netlink::{ErrorKind, Message, NetlinkError, Route, Socket};
use crate::{Mac, NetError};

pub use crate::operational_state::OperationalState;
pub use description::{BridgePort, Link, VlanFiltering};
pub use namespace_number::namespace_number;

/// `RTNLGRP_LINK`.
const LINK_GROUP: u32 = 1;

/// Which interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// The one with this index.
    Index(u32),
    /// The one with this name.
    Name(&'a str),
}

impl Which<'_> {
    fn address(self, message: &mut LinkMessage) {
        match self {
            Self::Index(index) => message.header.index = index,
            Self::Name(name) => message.attributes.push(LinkAttribute::IfName(name.to_owned())),
        }
    }
}

impl fmt::Display for Which<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "the interface with index {index}"),
            Self::Name(name) => write!(f, "the interface {name:?}"),
        }
    }
}

/// What to change about an interface; all in one message, and what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Change<'a> {
    /// Set it up or down.
    pub up: Option<bool>,
    /// Set it promiscuous or not.
    pub promiscuous: Option<bool>,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// Its Ethernet address. Setting the one it has announces its IPv4 addresses if `arp_notify` is on.
    pub mac: Option<Mac>,
    /// Make it a port of the interface with this index; 0 takes it out.
    pub master: Option<u32>,
    /// Free text, at most 255 bytes; empty takes it away.
    pub alias: Option<&'a str>,
    /// Its settings as a bridge's port. It must be one already: this takes effect before `master`.
    pub port: Option<BridgePort>,
}

/// Looks for an interface; `None` if there is none.
///
/// # Errors
/// The kernel refuses, for another reason than that there is no such interface.
pub fn get(kernel: &mut Socket<Route>, which: Which<'_>) -> Result<Option<Link>, NetError> {
    let Some(answer) = description(kernel, which)? else { return Ok(None) };
    match message::read(&answer) {
        Some(link) => Ok(Some(link)),
        None => Err(not_understood()).about(|| which.to_string()),
    }
}

/// The body of the kernel's description of an interface (`RTM_NEWLINK`); `None` if there is none.
pub(crate) fn description(kernel: &mut Socket<Route>, which: Which<'_>) -> Result<Option<Vec<u8>>, NetError> {
    let mut message = LinkMessage::default();
    which.address(&mut message);
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    match kernel.query("look up", &Message::of(&RouteNetlinkMessage::GetLink(message), 0)) {
        Ok(Some(answer)) => Ok(Some(answer)),
        Ok(None) => Err(not_understood()).about(|| which.to_string()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(NetError::Kernel { object: which.to_string(), source }),
    }
}

fn not_understood() -> NetlinkError {
    NetlinkError::bad_answer("look up", "the kernel's description of it is not understood")
}

/// Looks for the interface called `name`; `None` if there is none.
///
/// # Errors
/// As [`get`].
pub fn by_name(kernel: &mut Socket<Route>, name: &str) -> Result<Option<Link>, NetError> {
    get(kernel, Which::Name(name))
}

/// The ports of the bridge with this index.
///
/// # Errors
/// The kernel refuses.
pub fn ports(kernel: &mut Socket<Route>, bridge: u32) -> Result<Vec<Link>, NetError> {
    list(kernel, Some(bridge))
}

/// All interfaces of the namespace, or those that are ports of `master`.
///
/// # Errors
/// The kernel refuses.
pub fn list(kernel: &mut Socket<Route>, master: Option<u32>) -> Result<Vec<Link>, NetError> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    message.attributes.extend(master.map(LinkAttribute::Controller));
    let message = Message::of(&RouteNetlinkMessage::GetLink(message), 0);
    let found = kernel.dump("list", &message, |_, body| message::read(body)).about(|| "interfaces".to_owned())?;
    Ok(found.into_iter().filter(|link| master.is_none() || link.master == master).collect())
}

/// Changes an interface.
///
/// # Errors
/// The kernel refuses.
pub fn change(kernel: &mut Socket<Route>, which: Which<'_>, change: &Change<'_>) -> Result<(), NetError> {
    let mut message = LinkMessage::default();
    which.address(&mut message);
    for (flag, wanted) in [(LinkFlags::Up, change.up), (LinkFlags::Promisc, change.promiscuous)] {
        if let Some(wanted) = wanted {
            message.header.change_mask |= flag;
            message.header.flags.set(flag, wanted);
        }
    }
    let attributes = &mut message.attributes;
    attributes.extend(change.mtu.map(LinkAttribute::Mtu));
    attributes.extend(change.mac.map(|mac| LinkAttribute::Address(mac.octets().to_vec())));
    attributes.extend(change.master.map(LinkAttribute::Controller));
    attributes.extend(change.alias.map(|alias| LinkAttribute::IfAlias(alias.to_owned())));
    attributes.extend(change.port.map(port_settings));
    // NEWLINK without CREATE changes what is there, and unlike SETLINK it takes a port's settings as well.
    kernel.request("change", &Message::of(&RouteNetlinkMessage::NewLink(message), 0)).about(|| which.to_string())
}

fn port_settings(port: BridgePort) -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![
        LinkInfo::PortKind(InfoPortKind::Bridge),
        LinkInfo::PortData(InfoPortData::BridgePort(vec![
            InfoBridgePort::HairpinMode(port.hairpin),
            InfoBridgePort::Isolated(port.isolated),
        ])),
    ])
}

/// Deletes an interface; for a veth, both its ends. Returns whether it was there.
///
/// # Errors
/// The kernel refuses, for another reason than that there is no such interface.
pub fn delete(kernel: &mut Socket<Route>, which: Which<'_>) -> Result<bool, NetError> {
    let mut message = LinkMessage::default();
    which.address(&mut message);
    match kernel.request("delete", &Message::of(&RouteNetlinkMessage::DelLink(message), 0)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(NetError::Kernel { object: which.to_string(), source }),
    }
}

/// Waits until packets pass through the interface, at most `patience`. Call it when both ends are up: the kernel sees
/// to the rest within a fraction of a millisecond. Sleeps on the kernel's news about interfaces, and must be called in
/// the namespace of `kernel`. For a bridge's port there is [`bridge::wait_until_forwarding`].
///
/// [`bridge::wait_until_forwarding`]: crate::bridge::wait_until_forwarding
///
/// # Errors
/// [`NetError::NotOperational`] when `patience` is over; [`NetError::NoSuchInterface`] if it goes away.
pub fn wait_until_operational(kernel: &mut Socket<Route>, index: u32, patience: Duration) -> Result<Link, NetError> {
    let deadline = Instant::now() + patience;
    let gone = || NetError::NoSuchInterface { name: format!("with index {index}") };
    let link = get(kernel, Which::Index(index))?.ok_or_else(gone)?;
    if link.state == OperationalState::Up {
        return Ok(link);
    }
    let mut news = Socket::<Route>::open().about(|| link.name.clone())?;
    news.subscribe("subscribe to changes of", LINK_GROUP).about(|| link.name.clone())?;
    loop {
        // Looked at after the subscription, so that no change can fall between.
        let link = get(kernel, Which::Index(index))?.ok_or_else(gone)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if link.state == OperationalState::Up {
            return Ok(link);
        } else if left.is_zero() {
            return Err(NetError::NotOperational { name: link.name, state: link.state, waited: patience });
        }
        news.wait("wait for changes of", left).about(|| link.name.clone())?;
    }
}

/// Whether an interface can have this name.
///
/// # Errors
/// [`NetError::BadInterfaceName`] if not.
pub fn require_name(name: &str) -> Result<(), NetError> {
    let forbidden = |c: char| matches!(c, '/' | ':' | '\0' | '%') || c.is_whitespace();
    if name.is_empty() || name.len() > 15 || matches!(name, "." | "..") || name.contains(forbidden) {
        return Err(NetError::BadInterfaceName { name: name.to_owned() });
    }
    Ok(())
}
