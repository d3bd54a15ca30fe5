//! VLANs of bridge ports as netlink says them: `AF_BRIDGE` messages about links, with ranges as pairs.

use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{
    AfSpecBridge, BridgeFlag, BridgeVlanInfo, BridgeVlanInfoFlags as Flags, LinkAttribute, LinkExtentMask, LinkMessage,
};

use crate::netlink::message::attributes_of;

const HEADER: usize = 16;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;

/// VLANs with consecutive numbers that a port belongs to in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    /// The first number.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// Whether frames that come in without a tag belong to it (PVID).
    pub native: bool,
    /// Whether its frames go out without a tag.
    pub untagged: bool,
}

impl Membership {
    /// In one VLAN whose frames have no tag.
    pub fn native(vlan: u16) -> Self {
        Self { first: vlan, last: vlan, native: true, untagged: true }
    }

    /// In VLANs whose frames have tags: first and last number.
    pub fn tagged((first, last): &(u16, u16)) -> Self {
        Self { first: *first, last: *last, native: false, untagged: false }
    }

    pub(super) fn contains(self, vlan: u16) -> bool {
        (self.first..=self.last).contains(&vlan)
    }

    fn said(self) -> Vec<AfSpecBridge> {
        let mut flags = Flags::empty();
        flags.set(Flags::Pvid, self.native);
        flags.set(Flags::Untagged, self.untagged);
        let said = |flags, vid| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
        if self.first == self.last {
            return vec![said(flags, self.first)];
        }
        vec![said(flags | Flags::RangeBegin, self.first), said(flags | Flags::RangeEnd, self.last)]
    }
}

/// What adds a port to VLANs (as `RTM_SETLINK`) or takes it out of them (as `RTM_DELLINK`).
pub(super) fn about(port: u32, memberships: &[Membership]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = port;
    let mut said = vec![AfSpecBridge::Flags(BridgeFlag::Controller)];
    said.extend(memberships.iter().copied().flat_map(Membership::said));
    message.attributes = vec![LinkAttribute::AfSpecBridge(said)];
    message
}

/// What asks for the VLANs of all bridges' ports.
pub(super) fn question() -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::BrvlanCompressed])];
    message
}

/// A port's index and its VLANs, of the kernel's description of it.
pub(super) fn read(body: &[u8]) -> Option<(u32, Vec<Membership>)> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let index = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let settings = attributes_of(&body[HEADER..]).find(|(kind, _)| *kind == IFLA_AF_SPEC);
    let mut memberships = Vec::new();
    let mut begun = None;
    for (kind, value) in settings.map(|(_, settings)| attributes_of(settings)).into_iter().flatten() {
        let (IFLA_BRIDGE_VLAN_INFO, [flags @ .., low, high]) = (kind, value) else { continue };
        let flags = Flags::from_bits_retain(u16::from_ne_bytes(flags.try_into().ok()?));
        let vlan = u16::from_ne_bytes([*low, *high]);
        if flags.contains(Flags::RangeBegin) {
            begun = Some(vlan);
            continue;
        }
        let first = begun.take().filter(|_| flags.contains(Flags::RangeEnd)).unwrap_or(vlan);
        let (native, untagged) = (flags.contains(Flags::Pvid), flags.contains(Flags::Untagged));
        memberships.push(Membership { first, last: vlan, native, untagged });
    }
    Some((index, memberships))
}
