//! VLANs on a bridge: which of them a port belongs to, and the host's own interface in one of them.
//!
//! The bridge must filter VLANs ([`bridge::ensure_filtering`](crate::bridge::ensure_filtering)), or none of this keeps
//! anything apart.

mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::NetlinkSerializable;
use netlink_packet_route::RouteNetlinkMessage;

pub use self::message::Membership;
use crate::bridge::{self, Bridge};
use crate::error::About;
use crate::link::{self, BridgePort, Change, Link, Which};
use crate::netlink::{ErrorKind, Message, Route, Socket};
use crate::netns::NetNs;
use crate::veth::{self, Pair};
use crate::{Mac, NetError, sysctl};

/// The largest number of a VLAN; 0 and 4095 are reserved.
pub const LARGEST: u16 = 4094;

/// Both ends of the gateway's link are up when it is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The VLANs that a port is to belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortVlans {
    /// The one whose frames have no tag on the port's side.
    pub native: u16,
    /// Those whose frames have one: first and last numbers. What lies in several of them counts once, and the native
    /// one stays native.
    pub tagged: Vec<(u16, u16)>,
    /// Whether the port also keeps the VLAN that the bridge gives to each new port.
    pub keep_default: bool,
}

impl PortVlans {
    /// What the port is to be told, in the order of the numbers but the native one first; no VLAN twice.
    pub fn memberships(&self) -> Vec<Membership> {
        let mut ranges = self.tagged.clone();
        ranges.sort_unstable();
        let mut memberships = vec![Membership::native(self.native)];
        let mut next = 1;
        for (first, last) in ranges {
            let first = first.max(next);
            next = next.max(last.saturating_add(1));
            let parts = if (first..=last).contains(&self.native) {
                [(first, self.native - 1), (self.native + 1, last)]
            } else {
                [(first, last), (1, 0)]
            };
            memberships.extend(parts.iter().filter(|(first, last)| first <= last).map(Membership::tagged));
        }
        memberships
    }

    /// The VLAN that the bridge gave to the port and that it is not to keep.
    fn unwanted(&self, default_vlan: Option<u16>) -> Option<u16> {
        let is_wanted = |vlan: u16| self.memberships().iter().any(|wanted| wanted.contains(vlan));
        default_vlan.filter(|vlan| !self.keep_default && !is_wanted(*vlan))
    }

    /// How what a port has differs from this, one sentence for each VLAN that is missing, other, or mixed with its own;
    /// `default` is the bridge's default VLAN.
    pub fn differences(&self, present: &[Membership], default_vlan: Option<u16>) -> Vec<String> {
        let wanted = by_number(&self.memberships());
        let present = by_number(present);
        let kept = |vlan: u16| self.keep_default && default_vlan == Some(vlan);
        let missing = wanted.iter().filter_map(|(vlan, kind)| match present.get(vlan) {
            Some(found) if found == kind => None,
            Some(_) => Some(format!("VLAN {vlan} is not {}", kind.name())),
            None => Some(format!("VLAN {vlan} is missing")),
        });
        // What others added with a tag is apart from what the container sends and gets without one.
        let mixes = present.iter().filter(|(_, kind)| kind.native || kind.untagged).map(|(vlan, _)| *vlan);
        let surplus = mixes.filter(|vlan| !wanted.contains_key(vlan) && !kept(*vlan));
        missing.chain(surplus.map(|vlan| format!("VLAN {vlan} is not configured"))).collect()
    }
}

/// How frames of a VLAN pass a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    native: bool,
    untagged: bool,
}

impl Kind {
    fn name(self) -> &'static str {
        if self.native { "the native one" } else { "tagged" }
    }
}

fn by_number(memberships: &[Membership]) -> BTreeMap<u16, Kind> {
    let numbers = |it: &Membership| {
        let kind = Kind { native: it.native, untagged: it.untagged };
        (it.first..=it.last).map(move |vlan| (vlan, kind))
    };
    memberships.iter().flat_map(numbers).collect()
}

/// Makes a port belong to VLANs. What it belonged to before stays, but for the bridge's default VLAN. May be repeated.
///
/// # Errors
/// [`NetError::NoVlanFiltering`] if the kernel cannot.
pub fn assign(kernel: &mut Socket<Route>, bridge: &Bridge, port: u32, vlans: &PortVlans) -> Result<(), NetError> {
    let add = message::about(port, &vlans.memberships());
    send(kernel, "add VLANs to", &RouteNetlinkMessage::SetLink(add), port)?;
    let Some(unwanted) = vlans.unwanted(bridge.default_vlan) else { return Ok(()) };
    let take_away = message::about(port, &[Membership::tagged(&(unwanted, unwanted))]);
    send(kernel, "take the default VLAN from", &RouteNetlinkMessage::DelLink(take_away), port)
}

fn send<M: NetlinkSerializable>(
    kernel: &mut Socket<Route>,
    operation: &'static str,
    message: &M,
    port: u32,
) -> Result<(), NetError> {
    match kernel.request(operation, &Message::of(message, 0)) {
        Err(error) if error.kind == ErrorKind::Unsupported => Err(NetError::NoVlanFiltering),
        done => done.about(|| Which::Index(port).to_string()),
    }
}

/// The VLANs that a bridge's port belongs to; none where the kernel has no VLAN filtering.
///
/// # Errors
/// The kernel refuses.
pub fn of_port(kernel: &mut Socket<Route>, port: u32) -> Result<Vec<Membership>, NetError> {
    // The kernel shows the ports of all bridges or none; some thousand are read in a millisecond or two.
    let request = Message::of(&RouteNetlinkMessage::GetLink(message::question()), 0);
    let ports = kernel.dump("list the VLANs of", &request, |_, body| message::read(body));
    let ports = ports.about(|| Which::Index(port).to_string())?;
    Ok(ports.into_iter().filter(|(index, _)| *index == port).flat_map(|(_, vlans)| vlans).collect())
}

/// The host's own interface in a VLAN: one end of a veth pair, whose other end is a port of the bridge in that VLAN.
#[derive(Debug, Clone, Copy)]
pub struct Gateway<'a> {
    /// Its name; by custom the bridge's, a dot, and the VLAN's number.
    pub name: &'a str,
    /// The name of the bridge's port.
    pub port_name: &'a str,
    /// Free text to attach to the port: whose it is.
    pub alias: &'a str,
    /// The VLAN.
    pub vlan: u16,
    /// Whether the port also keeps the bridge's default VLAN.
    pub keep_default: bool,
}

/// The host's interface in a VLAN, which is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayInterface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address.
    pub mac: Mac,
}

/// The host's interface in a VLAN, made if it is not there. Any number of callers may do this at once; each must be in
/// the namespace of `kernel`. If it fails, what this call has made is gone again.
///
/// # Errors
/// [`NetError::NotAVlanGateway`] if something else has the name; [`NetError::NoVlanFiltering`] if the kernel cannot.
pub fn ensure_gateway(
    kernel: &mut Socket<Route>,
    bridge: &Bridge,
    wanted: &Gateway<'_>,
) -> Result<GatewayInterface, NetError> {
    let (made, pair) = ensure_pair(kernel, bridge, wanted)?;
    finish_gateway(kernel, bridge, wanted, &pair).inspect_err(|_| {
        if made {
            // The error that is reported is the first one.
            let _ = link::delete(kernel, Which::Index(pair.port));
        }
    })
}

/// A gateway's two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    own: u32,
    mac: Mac,
    port: u32,
}

/// Whether the pair is new, and its ends.
fn ensure_pair(kernel: &mut Socket<Route>, bridge: &Bridge, wanted: &Gateway<'_>) -> Result<(bool, Ends), NetError> {
    if let Some(found) = link::by_name(kernel, wanted.name)? {
        return Ok((false, ends_of(kernel, bridge, wanted, &found)?));
    }
    match make_pair(kernel, bridge, wanted) {
        Ok(ends) => Ok((true, ends)),
        // Another process was faster.
        Err(NetError::HostInterfaceExists { .. } | NetError::ContainerInterfaceExists { .. }) => {
            let found = link::by_name(kernel, wanted.name)?.ok_or_else(|| not_ours(bridge, wanted))?;
            Ok((false, ends_of(kernel, bridge, wanted, &found)?))
        }
        Err(error) => Err(error),
    }
}

fn make_pair(kernel: &mut Socket<Route>, bridge: &Bridge, wanted: &Gateway<'_>) -> Result<Ends, NetError> {
    let here = NetNs::current()?;
    let mtu = link::get(kernel, Which::Index(bridge.index))?.map(|bridge| bridge.mtu);
    let pair = Pair {
        host_name: wanted.port_name,
        container_name: wanted.name,
        container: &here,
        mac: None,
        mtu,
        bridge: Some(bridge.index),
        port: BridgePort::default(),
        alias: Some(wanted.alias),
    };
    let made = veth::create(kernel, &pair)?;
    Ok(Ends { own: made.container_index, mac: made.container_mac, port: made.host_index })
}

/// The ends of an interface that was there, provided that it leads to a port of the bridge.
fn ends_of(kernel: &mut Socket<Route>, bridge: &Bridge, wanted: &Gateway<'_>, found: &Link) -> Result<Ends, NetError> {
    let peer = found.peer.filter(|_| found.is_veth() && found.peer_netns.is_none());
    let port = peer.map(|peer| link::get(kernel, Which::Index(peer))).transpose()?.flatten();
    let port = port.filter(|port| port.is_veth() && port.master == Some(bridge.index));
    match (port, found.mac) {
        (Some(port), Some(mac)) => Ok(Ends { own: found.index, mac, port: port.index }),
        _ => Err(not_ours(bridge, wanted)),
    }
}

fn not_ours(bridge: &Bridge, wanted: &Gateway<'_>) -> NetError {
    NetError::NotAVlanGateway { name: wanted.name.to_owned(), vlan: wanted.vlan, bridge: bridge.name.clone() }
}

fn finish_gateway(
    kernel: &mut Socket<Route>,
    bridge: &Bridge,
    wanted: &Gateway<'_>,
    ends: &Ends,
) -> Result<GatewayInterface, NetError> {
    // Not only if it is new: whoever made it may not have come this far.
    let vlans = PortVlans { native: wanted.vlan, tagged: Vec::new(), keep_default: wanted.keep_default };
    assign(kernel, bridge, ends.port, &vlans)?;
    start_gateway(kernel, wanted, ends)
}

fn start_gateway(kernel: &mut Socket<Route>, wanted: &Gateway<'_>, ends: &Ends) -> Result<GatewayInterface, NetError> {
    sysctl::refuse_router_advertisements(wanted.name);
    link::change(kernel, Which::Index(ends.own), &Change { up: Some(true), ..Change::default() })?;
    link::wait_until_operational(kernel, ends.port, PATIENCE)?;
    Ok(GatewayInterface { index: ends.own, name: wanted.name.to_owned(), mac: ends.mac })
}

/// Gives a VLAN's gateway an address, as [`bridge::ensure_address_among`] does it.
///
/// # Errors
/// As there.
pub fn ensure_address(
    kernel: &mut Socket<Route>,
    gateway: &GatewayInterface,
    wanted: IpNet,
    force: bool,
    networks: &[IpNet],
) -> Result<bool, NetError> {
    bridge::ensure_address_on(kernel, gateway.index, &gateway.name, wanted, force, networks)
}
