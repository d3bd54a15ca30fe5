//! Questions to the kernel about ways: how an address is reached, and which interface has it.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use rustix::io::Errno;

use super::error::ReachError;
use super::routes::{family_of, read};
use crate::error::About;
use crate::link::{self, Link, Which};
use crate::netlink::{Message, Route, Socket};
use crate::{NetError, address};

const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;

/// How this machine gets to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is on the link of the interface with this index.
    OnLink(u32),
    /// Through a router, over the interface with this index.
    Through { gateway: IpAddr, interface: u32 },
    /// It is the machine's own.
    Own,
    /// Not at all.
    None,
}

/// Asks the kernel how packets to `address` would leave.
pub(super) fn way_to(kernel: &mut Socket<Route>, address: IpAddr) -> Result<Way, NetError> {
    let message = Message::of(&RouteNetlinkMessage::GetRoute(question(address)), 0);
    let answer = match kernel.query("look up", &message) {
        Ok(answer) => answer,
        // The errors of unreachable, prohibited and blackhole routes, meant for the sender of a packet.
        Err(error) if matches!(error.errno, Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS)) => None,
        Err(error) if address.is_ipv4() && error.errno == Some(Errno::INVAL) => None,
        Err(error) => return Err(error).about(|| format!("the route to {address}")),
    };
    let Some(route) = answer.as_deref().and_then(read) else { return Ok(Way::None) };
    Ok(match (route.kind, route.gateway, route.interface) {
        (RTN_LOCAL, _, _) => Way::Own,
        (RTN_UNICAST, Some(gateway), Some(interface)) => Way::Through { gateway, interface },
        (RTN_UNICAST, None, Some(interface)) => Way::OnLink(interface),
        _ => Way::None,
    })
}

fn question(address: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family_of(address);
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    message
}

/// The interface that has `address`, which is where a node's packets to the others leave.
///
/// # Errors
/// [`ReachError::NotThisMachines`] if there is none.
pub fn uplink(kernel: &mut Socket<Route>, address: IpAddr) -> Result<Link, ReachError> {
    let missing = || ReachError::NotThisMachines { address };
    let found = address::list_all(kernel)?.into_iter().find(|found| found.net.addr() == address).ok_or_else(missing)?;
    link::get(kernel, Which::Index(found.interface))?.ok_or_else(missing)
}
