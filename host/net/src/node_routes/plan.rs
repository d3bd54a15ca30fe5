//! The routes and neighbours that the blocks of the other nodes need.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::report::PeerProblem;
use super::route_lookup::{RouteLookup, look_up};
use super::routes::{NextHop, Table, Target};
use super::vxlan_neighbours::Entry;
use super::{Mode, Peer, Wanted};
use crate::netlink::{Route, Socket};
use crate::{NetError, address, link};

/// The routes for nodes on one link.
pub(super) fn on_the_link(
    kernel: &mut Socket<Route>,
    wanted: &Wanted,
    problems: &mut Vec<PeerProblem>,
) -> Result<Table, NetError> {
    let sources = bridge_addresses(kernel, wanted)?;
    let mut table = Table::new();
    for peer in in_order(&wanted.peers) {
        for (v4, prefixes) in by_family(peer, &wanted.ranges, problems) {
            let source = source(&sources, v4);
            let hop = match node_address(peer, v4, prefixes[0]) {
                Ok(node) => hop_on_the_link(kernel, wanted, peer, node)?,
                Err(problem) => Err(problem),
            };
            match hop {
                Ok(hop) => insert(&mut table, peer, prefixes, NextHop { source, ..hop }, problems),
                Err(problem) => problems.push(problem),
            }
        }
    }
    Ok(table)
}

fn node_address(peer: &Peer, v4: bool, prefix: IpNet) -> Result<IpAddr, PeerProblem> {
    peer.addresses.iter().copied().find(|address| address.is_ipv4() == v4).ok_or_else(|| PeerProblem::NoAddress {
        member: peer.name.clone(),
        family: family(v4),
        prefix,
        hint: ", or use `routing: vxlan`",
    })
}

fn hop_on_the_link(
    kernel: &mut Socket<Route>,
    wanted: &Wanted,
    peer: &Peer,
    node: IpAddr,
) -> Result<Result<NextHop, PeerProblem>, NetError> {
    if let Some(problem) = address_in_range(wanted, peer, node) {
        return Ok(Err(problem));
    }
    let (member, address) = (peer.name.clone(), node);
    Ok(match look_up(kernel, node)? {
        RouteLookup::OnLink(interface) => Ok(NextHop { interface, gateway: node, source: None, onlink: false }),
        RouteLookup::ViaGateway { gateway, .. } => Err(PeerProblem::BehindARouter { member, address, gateway }),
        RouteLookup::Local => Err(PeerProblem::OwnAddress { member, address }),
        RouteLookup::Unreachable => Err(PeerProblem::NoRoute { member, address }),
    })
}

/// The routes and neighbours over the vxlan device with the index `device`.
pub(super) fn through_vxlan(
    kernel: &mut Socket<Route>,
    wanted: &Wanted,
    device: u32,
    problems: &mut Vec<PeerProblem>,
) -> Result<(Table, BTreeMap<Entry, String>), NetError> {
    let sources = bridge_addresses(kernel, wanted)?;
    let (mut table, mut entries) = (Table::new(), BTreeMap::new());
    let mut taken = Taken::by_this_node(wanted);
    for peer in in_order(&wanted.peers) {
        let node = match taken.node(wanted, peer) {
            Ok(node) => node,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        for (v4, prefixes) in by_family(peer, &wanted.ranges, problems) {
            let gateway = node.next_hop(v4);
            let source = source(&sources, v4);
            let onlink = gateway.is_ipv4();
            insert(&mut table, peer, prefixes, NextHop { interface: device, gateway, source, onlink }, problems);
            entries.insert(Entry::Neighbour { address: gateway, mac: node.mac }, peer.name.clone());
        }
        entries.insert(Entry::Forwarding { mac: node.mac, node: node.address }, peer.name.clone());
    }
    Ok((table, entries))
}

/// A node as the vxlan device sees it.
struct Node {
    address: IpAddr,
    mac: crate::Mac,
}

impl Node {
    /// The node's address on the device. Neighbours belong to one device, so this can be the node's own address, which
    /// administrators know. IPv6 rejects a next hop that is on another link; there it is the link-local address of the
    /// node's device, and IPv4 can be routed via that, too.
    fn next_hop(&self, v4: bool) -> IpAddr {
        if v4 && self.address.is_ipv4() { self.address } else { link_local(self.mac) }
    }
}

/// The link-local address that the kernel gives an interface by its Ethernet address (modified EUI-64).
fn link_local(mac: crate::Mac) -> IpAddr {
    let mut address = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    let octets = mac.octets();
    address[8..11].copy_from_slice(&octets[..3]);
    address[13..].copy_from_slice(&octets[3..]);
    address[8] ^= 2;
    address.into()
}

/// The names of the nodes by what must be unique.
struct Taken<'a> {
    macs: BTreeMap<crate::Mac, &'a str>,
    addresses: BTreeMap<IpAddr, &'a str>,
}

impl<'a> Taken<'a> {
    fn by_this_node(wanted: &Wanted) -> Self {
        let Mode::Vxlan(own) = &wanted.mode else {
            return Self { macs: BTreeMap::new(), addresses: BTreeMap::new() };
        };
        Self { macs: [(own.mac, "")].into(), addresses: [(own.local, "")].into() }
    }

    fn node(&mut self, wanted: &Wanted, peer: &'a Peer) -> Result<Node, PeerProblem> {
        let member = || peer.name.clone();
        let mac = peer.vxlan_mac.ok_or_else(|| PeerProblem::NoMac { member: member() })?;
        let Mode::Vxlan(own) = &wanted.mode else { return Err(PeerProblem::NoMac { member: member() }) };
        let v4 = own.local.is_ipv4();
        let address = peer.addresses.iter().copied().find(|address| address.is_ipv4() == v4).ok_or_else(|| {
            PeerProblem::NoAddress { member: member(), family: family(v4), prefix: own.local.into(), hint: "" }
        })?;
        if let Some(problem) = address_in_range(wanted, peer, address) {
            return Err(problem);
        }
        let other = self.macs.get(&mac).map(|other| (*other, format!("vxlan device address {mac}")));
        let other = other.or_else(|| self.addresses.get(&address).map(|other| (*other, format!("address {address}"))));
        if let Some((other, what)) = other {
            let other = if other.is_empty() { "this node".to_owned() } else { format!("node {other:?}") };
            return Err(PeerProblem::Ambiguous { member: member(), other, what });
        }
        self.macs.insert(mac, &peer.name);
        self.addresses.insert(address, &peer.name);
        Ok(Node { address, mac })
    }
}

/// The bridge's addresses in the ranges: the source of what the node itself sends. Then containers without a default route
/// can answer, too.
fn bridge_addresses(kernel: &mut Socket<Route>, wanted: &Wanted) -> Result<Vec<IpAddr>, NetError> {
    let Some(bridge) = link::by_name(kernel, &wanted.bridge)? else { return Ok(Vec::new()) };
    let addresses = address::list(kernel, bridge.index)?;
    let in_range = |address: &IpAddr| wanted.ranges.iter().any(|range| range.contains(address));
    Ok(addresses.into_iter().map(|address| address.net.addr()).filter(in_range).collect())
}

fn source(sources: &[IpAddr], v4: bool) -> Option<IpAddr> {
    sources.iter().copied().find(|source| source.is_ipv4() == v4)
}

fn address_in_range(wanted: &Wanted, peer: &Peer, address: IpAddr) -> Option<PeerProblem> {
    let range = *wanted.ranges.iter().find(|range| range.contains(&address))?;
    Some(PeerProblem::AddressInRange { member: peer.name.clone(), address, range })
}

/// By name, so that the same node always wins a conflict.
fn in_order(peers: &[Peer]) -> Vec<&Peer> {
    let mut peers: Vec<_> = peers.iter().collect();
    peers.sort_by(|one, other| one.name.cmp(&other.name));
    peers
}

/// The prefixes to route to a peer: of IPv4 (true) and of IPv6.
fn by_family(peer: &Peer, ranges: &[IpNet], problems: &mut Vec<PeerProblem>) -> Vec<(bool, Vec<IpNet>)> {
    let (inside, outside): (Vec<IpNet>, Vec<IpNet>) =
        peer.blocks.iter().map(IpNet::trunc).partition(|block| ranges.iter().any(|range| range.contains(block)));
    problems.extend(outside.into_iter().map(|block| PeerProblem::OutsideTheRange { member: peer.name.clone(), block }));
    let (v4, v6): (Vec<IpNet>, Vec<IpNet>) = inside.into_iter().partition(|block| block.addr().is_ipv4());
    [(true, v4), (false, v6)]
        .into_iter()
        .filter(|(_, blocks)| !blocks.is_empty())
        .map(|(is_v4, blocks)| (is_v4, aggregate(&blocks, ranges)))
        .collect()
}

/// Merges adjacent aligned blocks of one owner, but never to a whole range: that is the prefix of the bridge's own route,
/// so it becomes two halves.
pub(super) fn aggregate(blocks: &[IpNet], ranges: &[IpNet]) -> Vec<IpNet> {
    let mut prefixes = Vec::new();
    for range in ranges {
        let inside = blocks.iter().copied().filter(|block| range.contains(block)).collect();
        for prefix in IpNet::aggregate(&inside) {
            match prefix.subnets(prefix.prefix_len() + 1) {
                Ok(halves) if prefix == range.trunc() => prefixes.extend(halves),
                _ => prefixes.push(prefix),
            }
        }
    }
    prefixes
}

fn insert(table: &mut Table, peer: &Peer, prefixes: Vec<IpNet>, hop: NextHop, problems: &mut Vec<PeerProblem>) {
    for prefix in prefixes {
        if let Some(first) = table.get(&prefix) {
            let (member, other) = (peer.name.clone(), first.owner.clone());
            problems.push(PeerProblem::HeldTwice { member, other, block: prefix });
        } else {
            table.insert(prefix, Target { owner: peer.name.clone(), hop });
        }
    }
}

fn family(v4: bool) -> &'static str {
    if v4 { "IPv4" } else { "IPv6" }
}
