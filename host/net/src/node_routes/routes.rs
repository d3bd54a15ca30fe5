//! Our routes in the kernel's main table.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::PROTOCOL;
use super::report::{Conflict, PeerProblem, Report};
use crate::NetError;
use crate::address::{ip, unspecified};
use crate::error::About;
use crate::netlink::message::{attributes_of, number};
use crate::netlink::{ErrorKind, Message, NetlinkError, Outcome, Route, Socket};

const HEADER: usize = 12;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u32 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;
/// The kernel queues some 250 error messages for a socket by default.
const BATCH: usize = 128;
/// An attempt fails when another process changes the same routes in between.
const ATTEMPTS: u32 = 4;

pub(super) type Table = BTreeMap<IpNet, Target>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The node.
    pub(super) owner: String,
    pub(super) hop: NextHop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextHop {
    /// The interface's index.
    pub(super) interface: u32,
    pub(super) gateway: IpAddr,
    /// The address that the node itself sends from.
    pub(super) source: Option<IpAddr>,
    /// The gateway is on the interface's link, even if no other route leads there.
    pub(super) onlink: bool,
}

/// A route as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstalledRoute {
    pub(super) destination: IpNet,
    pub(super) gateway: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) source: Option<IpAddr>,
    pub(super) onlink: bool,
    pub(super) protocol: u8,
    /// `RTN_*`.
    pub(super) kind: u8,
    pub(super) table: u32,
}

impl InstalledRoute {
    fn leads(&self, hop: &NextHop) -> bool {
        self.gateway == Some(hop.gateway)
            && self.interface == Some(hop.interface)
            && self.source == hop.source
            && self.onlink == hop.onlink
    }
}

/// Makes our routes within the ranges equal to `wanted`, all of which are within the ranges.
pub(super) fn reconcile(
    kernel: &mut Socket<Route>,
    ranges: &[IpNet],
    wanted: &Table,
    report: &mut Report,
) -> Result<(), NetError> {
    for attempt in 1.. {
        let difference = Difference::between(&ours(kernel, ranges)?, wanted);
        report.conflicts.clear();
        let foreign = if difference.new.is_empty() { Vec::new() } else { foreign(kernel, &difference.new)? };
        let taken: BTreeSet<_> = foreign.iter().map(|route| route.destination).collect();
        report.conflicts.extend(foreign.iter().map(|route| conflict(route, wanted)));
        let mut raced = false;
        let new: Vec<_> = difference.new.iter().copied().filter(|prefix| !taken.contains(prefix)).collect();
        for (prefixes, over) in [(&new, false), (&difference.changed, true)] {
            raced |= add(kernel, prefixes, wanted, over, report)?;
        }
        delete(kernel, &difference.stale, report)?;
        if attempt == 1 {
            report.routes.unchanged = difference.unchanged;
        }
        if !raced || attempt == ATTEMPTS {
            break;
        }
    }
    report.conflicts.sort();
    Ok(())
}

#[derive(Debug, Default)]
struct Difference {
    unchanged: usize,
    /// Prefixes without a route of ours.
    new: Vec<IpNet>,
    /// Prefixes whose route of ours has another next hop.
    changed: Vec<IpNet>,
    stale: Vec<InstalledRoute>,
}

impl Difference {
    fn between(present: &[InstalledRoute], wanted: &Table) -> Self {
        let mut difference = Self::default();
        let mut there: BTreeMap<IpNet, bool> = BTreeMap::new();
        for route in present {
            let right = wanted.get(&route.destination).is_some_and(|target| route.leads(&target.hop));
            *there.entry(route.destination).or_default() |= right;
            // IPv6: replaced in place, because a second route to the prefix would make a multipath route.
            let replaced = wanted.contains_key(&route.destination) && route.destination.addr().is_ipv6();
            if !right && !replaced {
                difference.stale.push(*route);
            }
        }
        for prefix in wanted.keys() {
            match there.get(prefix) {
                Some(true) => difference.unchanged += 1,
                Some(false) => difference.changed.push(*prefix),
                None => difference.new.push(*prefix),
            }
        }
        difference
    }
}

pub(super) fn ours(kernel: &mut Socket<Route>, ranges: &[IpNet]) -> Result<Vec<InstalledRoute>, NetError> {
    let inside = |route: &InstalledRoute| ranges.iter().any(|range| range.contains(&route.destination));
    dump(kernel, ranges.iter().map(IpNet::addr), Some(PROTOCOL), inside)
}

/// Routes of other processes to exactly these prefixes.
fn foreign(kernel: &mut Socket<Route>, prefixes: &[IpNet]) -> Result<Vec<InstalledRoute>, NetError> {
    let prefixes: BTreeSet<_> = prefixes.iter().copied().collect();
    let theirs = |route: &InstalledRoute| route.protocol != PROTOCOL && prefixes.contains(&route.destination);
    dump(kernel, prefixes.iter().map(IpNet::addr), None, theirs)
}

fn dump(
    kernel: &mut Socket<Route>,
    families_of: impl Iterator<Item = IpAddr>,
    protocol: Option<u8>,
    mut wanted: impl FnMut(&InstalledRoute) -> bool,
) -> Result<Vec<InstalledRoute>, NetError> {
    let (mut v4, mut v6) = (false, false);
    families_of.for_each(|address| if address.is_ipv4() { v4 = true } else { v6 = true });
    let mut routes = Vec::new();
    for (family, asked) in [(AddressFamily::Inet, v4), (AddressFamily::Inet6, v6)] {
        if !asked {
            continue;
        }
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = protocol.unwrap_or(0).into();
        let message = Message::of(&RouteNetlinkMessage::GetRoute(message), 0);
        // A kernel before 4.20 does not filter.
        let ours = |route: &InstalledRoute| {
            route.table == MAIN_TABLE && protocol.is_none_or(|number| route.protocol == number)
        };
        match kernel.dump("list", &message, |_, body| read(body).filter(|route| ours(route) && wanted(route))) {
            Ok(found) => routes.extend(found),
            // The kernel creates the table with its first route.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error).about(|| "the routes to other nodes".to_owned()),
        }
    }
    Ok(routes)
}

/// Returns whether another process added one of them first.
fn add(
    kernel: &mut Socket<Route>,
    prefixes: &[IpNet],
    wanted: &Table,
    over: bool,
    report: &mut Report,
) -> Result<bool, NetError> {
    let mut raced = false;
    for prefixes in prefixes.chunks(BATCH) {
        let targets: Vec<_> = prefixes.iter().filter_map(|prefix| Some((*prefix, wanted.get(prefix)?))).collect();
        let messages: Vec<_> = targets.iter().map(|(prefix, target)| addition(*prefix, &target.hop, over)).collect();
        for ((prefix, target), refusal) in targets.iter().zip(refusals(kernel, "add", &messages)?) {
            match refusal {
                None => report.routes.added += 1,
                Some(error) if error.kind == ErrorKind::AlreadyExists => raced = true,
                Some(error) => report.problems.push(PeerProblem::Refused {
                    member: target.owner.clone(),
                    what: prefix.to_string(),
                    reason: error.reason(),
                }),
            }
        }
    }
    Ok(raced)
}

fn delete(kernel: &mut Socket<Route>, stale: &[InstalledRoute], report: &mut Report) -> Result<(), NetError> {
    for stale in stale.chunks(BATCH) {
        let messages: Vec<_> = stale.iter().map(deletion).collect();
        for (route, refusal) in stale.iter().zip(refusals(kernel, "delete", &messages)?) {
            match refusal {
                None => report.routes.removed += 1,
                Some(error) if error.kind == ErrorKind::NotFound => {}
                Some(error) => return Err(error).about(|| format!("the route to {}", route.destination)),
            }
        }
    }
    Ok(())
}

/// The kernel's errors, message by message.
pub(super) fn refusals(
    kernel: &mut Socket<Route>,
    operation: &'static str,
    messages: &[Message],
) -> Result<Vec<Option<NetlinkError>>, NetError> {
    // Without NLM_F_ACK the kernel answers only with errors.
    let outcomes = kernel.batch(operation, messages).about(|| "the routes to other nodes".to_owned())?;
    Ok(outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Refused(error) => Some(error),
            Outcome::Silent | Outcome::Acknowledged => None,
        })
        .collect())
}

/// `over`: a route of ours exists already. An IPv4 route is appended and the old one deleted afterwards, so that it never
/// replaces a route of another process.
fn addition(prefix: IpNet, hop: &NextHop, over: bool) -> Message {
    let mut message = message(prefix);
    message.header.kind = RouteType::Unicast;
    message.header.flags.set(RouteFlags::Onlink, hop.onlink);
    message.attributes.extend([RouteAttribute::Oif(hop.interface), gateway(prefix, hop.gateway)]);
    message.attributes.extend(hop.source.map(|source| RouteAttribute::PrefSource(source.into())));
    let how = match (over, prefix) {
        (false, _) => NLM_F_EXCL,
        (true, IpNet::V4(_)) => NLM_F_APPEND,
        (true, IpNet::V6(_)) => NLM_F_REPLACE,
    };
    Message::of(&RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | how)
}

fn deletion(route: &InstalledRoute) -> Message {
    let mut message = message(route.destination);
    message.header.flags.set(RouteFlags::Onlink, route.onlink);
    message.attributes.extend(route.interface.map(RouteAttribute::Oif));
    message.attributes.extend(route.gateway.map(|hop| gateway(route.destination, hop)));
    message.attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    Message::of(&RouteNetlinkMessage::DelRoute(message), 0)
}

fn message(prefix: IpNet) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family_of(prefix.addr());
    header.destination_prefix_length = prefix.prefix_len();
    header.table = RouteHeader::RT_TABLE_MAIN;
    header.protocol = RouteProtocol::Other(PROTOCOL);
    header.scope = RouteScope::Universe;
    message.attributes.push(RouteAttribute::Destination(prefix.network().into()));
    message
}

fn gateway(prefix: IpNet, gateway: IpAddr) -> RouteAttribute {
    match (prefix, gateway) {
        (IpNet::V4(_), IpAddr::V6(gateway)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        _ => RouteAttribute::Gateway(gateway.into()),
    }
}

fn conflict(route: &InstalledRoute, wanted: &Table) -> Conflict {
    Conflict {
        prefix: route.destination,
        owner: wanted.get(&route.destination).map(|target| target.owner.clone()).unwrap_or_default(),
        protocol: route.protocol,
        gateway: route.gateway,
        interface: route.interface,
    }
}

pub(super) fn family_of(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// Parses the body of an `RTM_NEWROUTE` message.
pub(super) fn read(body: &[u8]) -> Option<InstalledRoute> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, length, _, _, table, protocol, _, kind, flags @ ..] = *header;
    let flags = u32::from_ne_bytes(flags);
    let mut destination = unspecified(family)?;
    let (mut interface, mut gateway, mut source, mut table) = (None, None, None, u32::from(table));
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            RTA_DST => destination = ip(family, value)?,
            RTA_OIF => interface = number(value),
            RTA_GATEWAY => gateway = ip(family, value),
            RTA_VIA => gateway = via(value),
            RTA_PREFSRC => source = ip(family, value),
            RTA_TABLE => table = number(value)?,
            _ => {}
        }
    }
    // The answer to a look-up has the looked-up address as destination, and the table of the route that matched.
    let length = if flags & RTM_F_CLONED == 0 { length } else { IpNet::from(destination).max_prefix_len() };
    let destination = IpNet::new(destination, length).ok()?;
    let onlink = flags & RTNH_F_ONLINK != 0;
    Some(InstalledRoute { destination, gateway, interface, source, onlink, protocol, kind, table })
}

/// A next hop of another family than the route's: a family number and an address.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (family, address) = value.split_first_chunk::<2>()?;
    ip(u8::try_from(u16::from_ne_bytes(*family)).ok()?, address)
}
