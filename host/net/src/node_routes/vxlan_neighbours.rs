//! The neighbours of a vxlan device: the Ethernet address of each node's device, and the address of the node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::report::{PeerProblem, Report};
use super::routes::{family_of, refusals};
use crate::address::ip;
use crate::error::About;
use crate::netlink::message::attributes_of;
use crate::netlink::{ErrorKind, Message, Route, Socket};
use crate::{Mac, NetError};

const HEADER: usize = 12;
const AF_BRIDGE: u8 = 7;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const BATCH: usize = 128;

/// A permanent entry of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Entry {
    /// Frames for this Ethernet address go to that node.
    Forwarding { mac: Mac, node: IpAddr },
    /// This next hop has that Ethernet address.
    Neighbour { address: IpAddr, mac: Mac },
}

/// There is one entry for each key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Forwarding(Mac),
    Neighbour(IpAddr),
}

impl Entry {
    pub(super) fn key(&self) -> Key {
        match *self {
            Self::Forwarding { mac, .. } => Key::Forwarding(mac),
            Self::Neighbour { address, .. } => Key::Neighbour(address),
        }
    }

    fn message(&self, device: u32) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        let header = &mut message.header;
        header.ifindex = device;
        let (mac, address) = match *self {
            Self::Forwarding { mac, node } => {
                header.family = AddressFamily::Bridge;
                header.flags = NeighbourFlags::Own;
                header.state = NeighbourState::Other(NUD_PERMANENT | NUD_NOARP);
                (mac, node)
            }
            Self::Neighbour { address, mac } => {
                header.family = family_of(address);
                header.state = NeighbourState::Permanent;
                (mac, address)
            }
        };
        let address = match address {
            IpAddr::V4(address) => NeighbourAddress::Inet(address),
            IpAddr::V6(address) => NeighbourAddress::Inet6(address),
        };
        message.attributes =
            vec![NeighbourAttribute::Destination(address), NeighbourAttribute::LinkLayerAddress(mac.octets().to_vec())];
        message
    }

    fn describe(&self) -> String {
        match self {
            Self::Forwarding { mac, node } => format!("the forwarding entry of {mac} to {node}"),
            Self::Neighbour { address, mac } => format!("the neighbour {address} at {mac}"),
        }
    }
}

/// Adds the missing entries and returns the stale ones. The values of `wanted` are the nodes' names.
pub(super) fn add(
    kernel: &mut Socket<Route>,
    device: u32,
    wanted: &BTreeMap<Entry, String>,
    report: &mut Report,
) -> Result<Vec<Entry>, NetError> {
    let present = list(kernel, device)?;
    report.neighbours.unchanged = wanted.keys().filter(|entry| present.contains(entry)).count();
    let missing: Vec<_> = wanted.iter().filter(|(entry, _)| !present.contains(entry)).collect();
    for missing in missing.chunks(BATCH) {
        let messages: Vec<_> = missing
            .iter()
            .map(|(entry, _)| {
                let message = RouteNetlinkMessage::NewNeighbour(entry.message(device));
                Message::of(&message, NLM_F_CREATE | NLM_F_REPLACE)
            })
            .collect();
        for ((entry, owner), refusal) in missing.iter().zip(refusals(kernel, "add", &messages)?) {
            match refusal {
                None => report.neighbours.added += 1,
                Some(error) => report.problems.push(PeerProblem::Refused {
                    member: (*owner).clone(),
                    what: entry.describe(),
                    reason: error.reason(),
                }),
            }
        }
    }
    Ok(stale(present, wanted))
}

fn stale(present: BTreeSet<Entry>, wanted: &BTreeMap<Entry, String>) -> Vec<Entry> {
    // The kernel has replaced those whose key is wanted.
    let keys: BTreeSet<_> = wanted.keys().map(Entry::key).collect();
    present.into_iter().filter(|entry| !keys.contains(&entry.key())).collect()
}

/// Packets of routes that still use these entries are lost, so delete the routes first.
pub(super) fn remove(
    kernel: &mut Socket<Route>,
    device: u32,
    stale: &[Entry],
    report: &mut Report,
) -> Result<(), NetError> {
    for stale in stale.chunks(BATCH) {
        let messages: Vec<_> = stale
            .iter()
            .map(|entry| Message::of(&RouteNetlinkMessage::DelNeighbour(entry.message(device)), 0))
            .collect();
        for (entry, refusal) in stale.iter().zip(refusals(kernel, "delete", &messages)?) {
            match refusal {
                None => report.neighbours.removed += 1,
                Some(error) if error.kind == ErrorKind::NotFound => {}
                Some(error) => return Err(error).about(|| entry.describe()),
            }
        }
    }
    Ok(())
}

/// The permanent entries of the device, without the kernel's own for multicast.
pub(super) fn list(kernel: &mut Socket<Route>, device: u32) -> Result<BTreeSet<Entry>, NetError> {
    let mut entries = BTreeSet::new();
    for family in [AddressFamily::Bridge, AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = NeighbourMessage::default();
        message.header.family = family;
        match family {
            AddressFamily::Bridge => message.header.ifindex = device,
            _ => message.attributes.push(NeighbourAttribute::IfIndex(device)),
        }
        let message = Message::of(&RouteNetlinkMessage::GetNeighbour(message), 0);
        let found = kernel
            .dump("list", &message, |_, body| read(body, device))
            .about(|| format!("the neighbours of the interface with index {device}"))?;
        entries.extend(found);
    }
    Ok(entries)
}

/// The entry that the body of an `RTM_NEWNEIGH` message describes, if it is a permanent one of the device.
fn read(body: &[u8], device: u32) -> Option<Entry> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, _, _, _, index0, index1, index2, index3, state0, state1, ..] = *header;
    let permanent = u16::from_ne_bytes([state0, state1]) & NUD_PERMANENT != 0;
    // A kernel before 5.0 does not filter.
    if u32::from_ne_bytes([index0, index1, index2, index3]) != device || !permanent {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for (kind, value) in attributes_of(&body[HEADER..]) {
        match kind {
            // The forwarding table is of the bridge family, whatever the family of the node's address.
            NDA_DST => address = ip(if value.len() == 4 { AF_INET } else { AF_INET6 }, value),
            NDA_LLADDR => mac = Mac::from_attribute(value),
            _ => {}
        }
    }
    let (address, mac) = (address?, mac?);
    Some(match family {
        AF_BRIDGE => Entry::Forwarding { mac, node: address },
        _ => Entry::Neighbour { address, mac },
    })
}
