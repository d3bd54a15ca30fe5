//! Routes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::NLM_F_CREATE;
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use crate::NetError;
use crate::address::{self, ip, unspecified};
use crate::error::About;
use crate::netlink::message::{attributes_of, number};
use crate::netlink::{self, ErrorKind, Message, Socket};

const HEADER: usize = 12;
const RTN_UNICAST: u8 = 1;
/// Learned from router advertisements.
const RTPROT_RA: u8 = 9;
const RTM_F_CLONED: u32 = 0x200;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

/// A route over an interface. `None` leaves a value to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; `0.0.0.0/0` or `::/0` for the default route. Bits below the prefix are ignored.
    pub destination: IpNet,
    /// The next hop; without one the destination is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The path MTU in bytes.
    pub mtu: Option<u32>,
    /// The segment size to advertise to TCP peers, in bytes.
    pub advmss: Option<u32>,
    /// The metric; lower wins. IPv6 has 1024 for none.
    pub priority: Option<u32>,
    /// The routing table; 254, the main one, for none.
    pub table: Option<u32>,
    /// The scope: 0 for global, 253 for link, 254 for host. Without one it is global with a gateway and link without.
    pub scope: Option<u8>,
}

impl Route {
    /// The route to `destination` with nothing else said.
    pub fn to(destination: IpNet) -> Self {
        Self { destination, gateway: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    /// Whether it is a default route.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

/// Adds a route over the interface with this index. One that is there already with the same values is left; another
/// one to the same destination stays beside it, as the kernel sees fit.
///
/// # Errors
/// The kernel refuses; its sentence says why, for example that the gateway is not reachable.
pub fn add(kernel: &mut Socket<netlink::Route>, interface: u32, route: &Route) -> Result<(), NetError> {
    let message = Message::of(&RouteNetlinkMessage::NewRoute(message(interface, route)), NLM_F_CREATE);
    match kernel.request("add", &message) {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
        ended => ended.about(|| describe(interface, route)),
    }
}

/// The unicast routes over the interface with this index, of both families and all tables but the kernel's own for
/// local addresses. A route's scope and, for IPv6, its priority are always given.
///
/// # Errors
/// The kernel refuses.
pub fn list(kernel: &mut Socket<netlink::Route>, interface: u32) -> Result<Vec<Route>, NetError> {
    let mut routes = Vec::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.attributes = vec![RouteAttribute::Oif(interface)];
        let message = Message::of(&RouteNetlinkMessage::GetRoute(message), 0);
        let found = kernel
            .dump("list", &message, |_, body| read(body, interface))
            .about(|| format!("the routes over the interface with index {interface}"))?;
        routes.extend(found);
    }
    Ok(routes)
}

/// The address that this machine uses towards the rest of the world: the source address of the default route, of IPv4
/// if there is one.
///
/// # Errors
/// The kernel refuses.
pub fn default_source(kernel: &mut Socket<netlink::Route>) -> Result<Option<IpAddr>, NetError> {
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let message = Message::of(&RouteNetlinkMessage::GetRoute(message), 0);
        let defaults = kernel.dump("list", &message, |_, body| read_default(body)).about(|| "routes".to_owned())?;
        let Some(best) = defaults.into_iter().min_by_key(|found| found.priority) else { continue };
        let source = match (best.source, best.gateway) {
            (None, Some(gateway)) => source_towards(kernel, gateway)?,
            (source, _) => source,
        };
        let source = match source {
            None => address::list(kernel, best.interface)?.into_iter().map(|found| found.net.addr()).find(is_global),
            found => found,
        };
        if source.is_some_and(|source| source.is_ipv4() == (family == AddressFamily::Inet)) {
            return Ok(source);
        }
    }
    Ok(None)
}

/// The interfaces with routes of the main table that routers advertised, each once.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn advertised(kernel: &mut Socket<netlink::Route>) -> Result<BTreeSet<u32>, NetError> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    let message = Message::of(&RouteNetlinkMessage::GetRoute(message), 0);
    let found = kernel.dump("list", &message, |_, body| read_advertised(body)).about(|| "routes".to_owned())?;
    Ok(found.into_iter().flatten().collect())
}

fn read_advertised(body: &[u8]) -> Option<Vec<u32>> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    if header[5] != RTPROT_RA {
        return None;
    }
    let mut interfaces = Vec::new();
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            RTA_OIF => interfaces.extend(number(value)),
            RTA_MULTIPATH => interfaces.extend(next_hops(value)),
            _ => {}
        }
    }
    Some(interfaces)
}

/// The interfaces of a route by several routers: each next hop begins with its length, 2 bytes, and has the interface at
/// the fifth byte.
fn next_hops(mut hops: &[u8]) -> Vec<u32> {
    let mut interfaces = Vec::new();
    while let Some(&[low, high, _, _, a, b, c, d]) = hops.first_chunk() {
        interfaces.push(u32::from_ne_bytes([a, b, c, d]));
        let length = usize::from(u16::from_ne_bytes([low, high])).max(8).next_multiple_of(4);
        hops = hops.get(length..).unwrap_or_default();
    }
    interfaces
}

/// A default route in the main table.
struct DefaultRoute {
    priority: u32,
    interface: u32,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
}

fn read_default(body: &[u8]) -> Option<DefaultRoute> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, prefix_length, _, _, table, _, _, kind, flags @ ..] = *header;
    let is_cloned = u32::from_ne_bytes(flags) & RTM_F_CLONED != 0;
    if prefix_length != 0 || table != RouteHeader::RT_TABLE_MAIN || kind != RTN_UNICAST || is_cloned {
        return None;
    }
    let mut found = DefaultRoute { priority: 0, interface: 0, gateway: None, source: None };
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            RTA_OIF => found.interface = number(value)?,
            RTA_GATEWAY => found.gateway = ip(family, value),
            RTA_PRIORITY => found.priority = number(value)?,
            RTA_PREFSRC => found.source = ip(family, value),
            _ => {}
        }
    }
    (found.interface != 0).then_some(found)
}

/// What the kernel would write as source into a packet to this address.
fn source_towards(kernel: &mut Socket<netlink::Route>, to: IpAddr) -> Result<Option<IpAddr>, NetError> {
    let mut message = RouteMessage::default();
    let (family, length) = if to.is_ipv4() { (AddressFamily::Inet, 32) } else { (AddressFamily::Inet6, 128) };
    message.header.address_family = family;
    message.header.destination_prefix_length = length;
    message.attributes = vec![RouteAttribute::Destination(to.into())];
    let answer = match kernel.query("look up", &Message::of(&RouteNetlinkMessage::GetRoute(message), 0)) {
        Ok(answer) => answer,
        Err(error) if matches!(error.errno, Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::INVAL)) => None,
        Err(error) => return Err(error).about(|| format!("the route to {to}")),
    };
    let Some((header, attributes)) = answer.as_deref().and_then(|body| body.split_at_checked(HEADER)) else {
        return Ok(None);
    };
    let source = attributes_of(attributes).find(|(kind, _)| *kind == RTA_PREFSRC);
    // Of IPv6 a link's own addresses are no good further away.
    Ok(source.and_then(|(_, value)| ip(header[0], value)).filter(is_global))
}

fn is_global(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
    }
}

fn message(interface: u32, route: &Route) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = match route.destination {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    header.destination_prefix_length = route.destination.prefix_len();
    header.table = RouteHeader::RT_TABLE_MAIN;
    header.protocol = RouteProtocol::Boot;
    header.kind = RouteType::Unicast;
    header.scope = match (route.scope, route.destination, route.gateway) {
        (Some(scope), _, _) => scope.into(),
        (None, IpNet::V4(_), None) => RouteScope::Link,
        (None, _, _) => RouteScope::Universe,
    };
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Oif(interface));
    if !route.is_default() {
        attributes.push(RouteAttribute::Destination(route.destination.network().into()));
    }
    attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    attributes.extend(route.priority.map(RouteAttribute::Priority));
    if let Some(table) = route.table {
        // The header's field has a byte; the attribute counts where both are there.
        message.header.table = u8::try_from(table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        attributes.push(RouteAttribute::Table(table));
    }
    let metrics: Vec<_> =
        route.mtu.map(RouteMetric::Mtu).into_iter().chain(route.advmss.map(RouteMetric::Advmss)).collect();
    if !metrics.is_empty() {
        attributes.push(RouteAttribute::Metrics(metrics));
    }
    message
}

fn describe(interface: u32, route: &Route) -> String {
    let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    format!("the route to {}{via} over the interface with index {interface}", route.destination)
}

/// The route that the body of an `RTM_NEWROUTE` message describes, if it is a unicast one over `interface`.
fn read(body: &[u8], interface: u32) -> Option<Route> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, prefix_length, _, _, table, _, scope, kind, flags @ ..] = *header;
    if kind != RTN_UNICAST || u32::from_ne_bytes(flags) & RTM_F_CLONED != 0 {
        return None;
    }
    let (mut destination, mut device) = (unspecified(family)?, None);
    let mut route = Route { scope: Some(scope), table: Some(table.into()), ..Route::to(IpNet::from(destination)) };
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            RTA_DST => destination = ip(family, value)?,
            RTA_OIF => device = number(value),
            RTA_GATEWAY => route.gateway = ip(family, value),
            RTA_PRIORITY => route.priority = number(value),
            RTA_TABLE => route.table = number(value),
            RTA_MULTIPATH => {
                if let Some(hop) = hop_over(interface, value) {
                    device = Some(interface);
                    let gateway = attributes_of(hop).find(|(kind, _)| *kind == RTA_GATEWAY);
                    route.gateway = gateway.and_then(|(_, value)| ip(family, value));
                }
            }
            RTA_METRICS => read_metrics(value, &mut route),
            _ => {}
        }
    }
    route.destination = IpNet::new(destination, prefix_length).ok()?;
    // A kernel before 5.0 does not filter.
    (device == Some(interface)).then_some(route)
}

/// The attributes of the hop over `interface`. The kernel makes one route with several hops of IPv6 routes that lead to
/// one destination over several interfaces.
fn hop_over(interface: u32, mut hops: &[u8]) -> Option<&[u8]> {
    while let Some([length @ .., _, _, i0, i1, i2, i3]) = hops.first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes(*length));
        let attributes = hops.get(8..length)?;
        if u32::from_ne_bytes([*i0, *i1, *i2, *i3]) == interface {
            return Some(attributes);
        }
        hops = hops.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn read_metrics(metrics: &[u8], route: &mut Route) {
    for (kind, value) in attributes_of(metrics) {
        match kind {
            RTAX_MTU => route.mtu = number(value),
            RTAX_ADVMSS => route.advmss = number(value),
            _ => {}
        }
    }
}
