//! Route look-ups (`ip route get`), and the interface that has an address.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use rustix::io::Errno;

use super::error::NodeRoutesError;
use super::routes::{family_of, read};
use crate::error::About;
use crate::link::{self, Link, Which};
use crate::netlink::{Message, Route, Socket};
use crate::{NetError, address};

const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;

/// How the kernel sends packets to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteLookup {
    /// On the link of the interface with this index.
    OnLink(u32),
    ViaGateway {
        gateway: IpAddr,
        interface: u32,
    },
    /// An address of this node.
    Local,
    Unreachable,
}

pub(super) fn look_up(kernel: &mut Socket<Route>, address: IpAddr) -> Result<RouteLookup, NetError> {
    let message = Message::of(&RouteNetlinkMessage::GetRoute(question(address)), 0);
    let answer = match kernel.query("look up", &message) {
        Ok(answer) => answer,
        // What unreachable, prohibit and blackhole routes return.
        Err(error) if matches!(error.errno, Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS)) => None,
        Err(error) if address.is_ipv4() && error.errno == Some(Errno::INVAL) => None,
        Err(error) => return Err(error).about(|| format!("the route to {address}")),
    };
    let Some(route) = answer.as_deref().and_then(read) else { return Ok(RouteLookup::Unreachable) };
    Ok(match (route.kind, route.gateway, route.interface) {
        (RTN_LOCAL, _, _) => RouteLookup::Local,
        (RTN_UNICAST, Some(gateway), Some(interface)) => RouteLookup::ViaGateway { gateway, interface },
        (RTN_UNICAST, None, Some(interface)) => RouteLookup::OnLink(interface),
        _ => RouteLookup::Unreachable,
    })
}

fn question(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(address);
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    message
}

/// The interface that has `address`; this node's packets to the others leave there.
pub fn uplink(kernel: &mut Socket<Route>, address: IpAddr) -> Result<Link, NodeRoutesError> {
    let missing = || NodeRoutesError::NotThisMachines { address };
    let found = address::list_all(kernel)?.into_iter().find(|found| found.net.addr() == address).ok_or_else(missing)?;
    link::get(kernel, Which::Index(found.interface))?.ok_or_else(missing)
}
