//! Addresses of interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use crate::NetError;
use crate::error::About;
use crate::netlink::message::{attributes_of, number};
use crate::netlink::{ErrorKind, Message, Route, Socket};

/// `RTNLGRP_IPV6_IFADDR`.
const IPV6_ADDRESS_GROUP: u32 = 9;
/// `RTNLGRP_IPV6_ROUTE`.
const IPV6_ROUTE_GROUP: u32 = 11;
/// Where a route message has its type, and the type of a route to the machine itself.
const ROUTE_TYPE: usize = 7;
const RTN_LOCAL: u8 = 2;

const HEADER: usize = 8;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;

/// An address that an interface has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The index of the interface.
    pub interface: u32,
    /// The address and the length of its network's prefix.
    pub net: IpNet,
    /// The broadcast address of its network, if it was given one.
    pub broadcast: Option<IpAddr>,
    /// Not usable yet: duplicate address detection is running.
    pub tentative: bool,
    /// Not usable: another machine on the network has it.
    pub duplicate: bool,
}

/// Whether the network is asked for other users of an IPv6 address before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateDetection {
    /// The network is not asked.
    Off,
    /// The address is usable after a second or two, if nobody has it.
    On,
}

/// Gives an interface an address; an IPv4 one with the network's broadcast address if the network is large enough to
/// have one. Returns whether it is new.
///
/// # Errors
/// The kernel refuses, for another reason than that the interface has the address.
pub fn add(
    kernel: &mut Socket<Route>,
    interface: u32,
    net: IpNet,
    detection: DuplicateDetection,
) -> Result<bool, NetError> {
    let mut message = message(interface, net);
    match net {
        IpNet::V4(net) if net.prefix_len() < 31 => {
            message.attributes.push(AddressAttribute::Broadcast(net.broadcast()));
        }
        IpNet::V6(_) if detection == DuplicateDetection::Off => {
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        _ => {}
    }
    let message = Message::of(&RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL);
    match kernel.request("add", &message) {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).about(|| describe(interface, net)),
    }
}

/// Takes an address away. Returns whether the interface had it.
///
/// # Errors
/// The kernel refuses, for another reason than that there is no such address.
pub fn delete(kernel: &mut Socket<Route>, interface: u32, net: IpNet) -> Result<bool, NetError> {
    let message = Message::of(&RouteNetlinkMessage::DelAddress(message(interface, net)), 0);
    match kernel.request("delete", &message) {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).about(|| describe(interface, net)),
    }
}

/// The addresses of an interface, of both families.
///
/// # Errors
/// The kernel refuses.
pub fn list(kernel: &mut Socket<Route>, interface: u32) -> Result<Vec<Address>, NetError> {
    list_family(kernel, interface, AddressFamily::Unspec)
}

/// The addresses that this node has itself, on whichever interface; each once, in order.
///
/// # Errors
/// The kernel refuses.
pub fn of_node() -> Result<Vec<IpAddr>, NetError> {
    let mut kernel = Socket::<Route>::open().about(|| "the addresses of all interfaces".to_owned())?;
    let mut addresses: Vec<IpAddr> = list_all(&mut kernel)?.into_iter().map(|address| address.net.addr()).collect();
    // Every interface has one of these, and no pool is made of them.
    addresses.retain(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

/// The addresses of all interfaces, of both families.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn list_all(kernel: &mut Socket<Route>) -> Result<Vec<Address>, NetError> {
    let message = Message::of(&RouteNetlinkMessage::GetAddress(AddressMessage::default()), 0);
    kernel.dump("list", &message, |_, body| read(body)).about(|| "the addresses of all interfaces".to_owned())
}

/// The addresses of an interface that are of the same family as `like`.
pub(crate) fn list_like(kernel: &mut Socket<Route>, interface: u32, like: IpNet) -> Result<Vec<Address>, NetError> {
    list_family(kernel, interface, family(like))
}

fn list_family(kernel: &mut Socket<Route>, interface: u32, family: AddressFamily) -> Result<Vec<Address>, NetError> {
    let mut message = AddressMessage::default();
    message.header.family = family;
    message.header.index = interface;
    let message = Message::of(&RouteNetlinkMessage::GetAddress(message), 0);
    let found = kernel
        .dump("list", &message, |_, body| read(body))
        .about(|| format!("the addresses of the interface with index {interface}"))?;
    // A kernel before 5.0 does not filter.
    Ok(found.into_iter().filter(|address| address.interface == interface).collect())
}

/// Waits until the kernel takes packets to an interface's IPv6 addresses, at most `patience`. `name` is the
/// interface's, for errors.
///
/// This is needed without duplicate address detection too. The kernel enters a new address into its table of local
/// addresses from a work queue, and until then it drops what is sent there: also the answer to the first question for
/// a neighbour, which is repeated only after a second. IPv4 addresses are usable at once.
///
/// Must be called in the namespace of `kernel`.
///
/// # Errors
/// [`NetError::DuplicateAddress`] if another machine has one; [`NetError::AddressNotReady`] when `patience` is over.
pub fn wait_until_usable(
    kernel: &mut Socket<Route>,
    interface: u32,
    name: &str,
    addresses: &[IpNet],
    patience: Duration,
) -> Result<(), NetError> {
    let deadline = Instant::now() + patience;
    let mut waiting: Vec<_> = addresses.iter().copied().filter(|net| matches!(net, IpNet::V6(_))).collect();
    let mut news = None;
    loop {
        let mut unusable = None;
        while let Some(net) = waiting.last() {
            if !is_local(kernel, net.addr())? {
                unusable = Some(*net);
                break;
            }
            waiting.pop();
        }
        let Some(address) = unusable else { return Ok(()) };
        let Some(news) = &mut news else {
            // Everything is looked at once more after the subscription, so that no change can fall between.
            news = Some(subscribe(name)?);
            continue;
        };
        refuse_duplicates(kernel, interface, name)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(NetError::AddressNotReady { interface: name.to_owned(), address, waited: patience });
        }
        news.wait("wait for address changes of", left).about(|| name.to_owned())?;
    }
}

fn subscribe(name: &str) -> Result<Socket<Route>, NetError> {
    let mut news = Socket::<Route>::open().about(|| name.to_owned())?;
    // A detected duplicate is announced in the first group, an entry in the table of local addresses in the second.
    for group in [IPV6_ADDRESS_GROUP, IPV6_ROUTE_GROUP] {
        news.subscribe("subscribe to address changes of", group).about(|| name.to_owned())?;
    }
    Ok(news)
}

fn refuse_duplicates(kernel: &mut Socket<Route>, interface: u32, name: &str) -> Result<(), NetError> {
    let addresses = list_family(kernel, interface, AddressFamily::Inet6)?;
    match addresses.iter().find(|address| address.duplicate) {
        Some(taken) => Err(NetError::DuplicateAddress { interface: name.to_owned(), address: taken.net }),
        None => Ok(()),
    }
}

/// Whether the kernel takes packets to this address for itself.
///
/// # Errors
/// The kernel refuses.
pub fn is_local(kernel: &mut Socket<Route>, address: IpAddr) -> Result<bool, NetError> {
    let net = IpNet::from(address);
    let mut message = RouteMessage::default();
    message.header.address_family = family(net);
    message.header.destination_prefix_length = net.max_prefix_len();
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    match kernel.query("look up", &Message::of(&RouteNetlinkMessage::GetRoute(message), 0)) {
        Ok(answer) => Ok(answer.is_some_and(|route| route.get(ROUTE_TYPE) == Some(&RTN_LOCAL))),
        // No route there at all; of the errors for that, some are meant for the sender of a packet.
        Err(error) if matches!(error.errno, Some(Errno::NETUNREACH | Errno::HOSTUNREACH)) => Ok(false),
        Err(source) => Err(NetError::Kernel { object: format!("the route to {address}"), source }),
    }
}

fn message(interface: u32, net: IpNet) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(net);
    message.header.prefix_len = net.prefix_len();
    message.header.index = interface;
    message.attributes = vec![AddressAttribute::Local(net.addr()), AddressAttribute::Address(net.addr())];
    message
}

fn family(net: IpNet) -> AddressFamily {
    match net {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    }
}

fn describe(interface: u32, net: IpNet) -> String {
    format!("the address {net} on the interface with index {interface}")
}

/// The address that the body of an `RTM_NEWADDR` message describes.
fn read(body: &[u8]) -> Option<Address> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, prefix_length, flags, _, index @ ..] = *header;
    let (mut local, mut address, mut broadcast, mut flags) = (None, None, None, u32::from(flags));
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            IFA_LOCAL => local = ip(family, value),
            IFA_ADDRESS => address = ip(family, value),
            IFA_BROADCAST => broadcast = ip(family, value),
            IFA_FLAGS => flags = number(value)?,
            _ => {}
        }
    }
    // On a point-to-point interface ADDRESS is the other side's; IPv6 sends LOCAL only there.
    let net = IpNet::new(local.or(address)?, prefix_length).ok()?;
    let flags = AddressFlags::from_bits_retain(flags);
    Some(Address {
        interface: u32::from_ne_bytes(index),
        net,
        broadcast,
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

/// An IP address attribute of the address family with this number.
pub(crate) fn ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        AF_INET6 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

/// The network of no address, for a family number: where a default route leads.
pub(crate) fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::UNSPECIFIED.into()),
        AF_INET6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    }
}
