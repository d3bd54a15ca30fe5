//! Bridges: making one exactly once, and the host's address on it.

use std::time::Duration;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoBridge, InfoData, InfoKind, LinkAttribute, LinkInfo, LinkMessage};

use crate::address::{self, Address, DuplicateDetection};
use crate::error::About;
use crate::link::{self, Change, Link, Which};
use crate::netlink::{ErrorKind, Message, NetlinkError, Route, Socket};
use crate::netns::NetNs;
use crate::{Mac, NetError, sysctl};

/// The kernel makes an address usable at once, unless it is very busy.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);

/// A bridge that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address, which does not change when ports come and go.
    pub mac: Mac,
    /// The VLAN that it gives to each new port, if it gives one and the kernel has VLAN filtering.
    pub default_vlan: Option<u16>,
}

/// What is asked of a bridge's way with VLANs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vlans {
    Whatever,
    Filtered,
}

/// The bridge `name`, made if it is not there and set up. `mtu` is for a new bridge only; `promiscuous` sets the bridge
/// promiscuous if it is not, and `false` leaves it as it is. Any number of callers may do this at once.
///
/// # Errors
/// [`NetError::NotABridge`] if something else has the name.
pub fn ensure(kernel: &mut Socket<Route>, name: &str, mtu: Option<u32>, promiscuous: bool) -> Result<Bridge, NetError> {
    find_or_make(kernel, name, mtu, promiscuous, Vlans::Whatever)
}

/// The same for a bridge that keeps VLANs apart. A new one does; one that is there must have been made so, because to
/// switch it on would cut off whoever sends tagged frames through it now.
///
/// # Errors
/// As [`ensure`]; [`NetError::NoVlanFiltering`] if the kernel cannot, and then nothing was made;
/// [`NetError::VlansNotFiltered`] if the bridge does not.
pub fn ensure_filtering(
    kernel: &mut Socket<Route>,
    name: &str,
    mtu: Option<u32>,
    promiscuous: bool,
) -> Result<Bridge, NetError> {
    find_or_make(kernel, name, mtu, promiscuous, Vlans::Filtered)
}

fn find_or_make(
    kernel: &mut Socket<Route>,
    name: &str,
    mtu: Option<u32>,
    promiscuous: bool,
    vlans: Vlans,
) -> Result<Bridge, NetError> {
    link::require_name(name)?;
    let link = if let Some(link) = link::by_name(kernel, name)? {
        link
    } else {
        create(kernel, name, mtu, vlans)?;
        link::by_name(kernel, name)?.ok_or_else(|| NetError::NoSuchInterface { name: name.to_owned() })?
    };
    let Some(mac) = link.mac.filter(|_| link.is_bridge()) else {
        return Err(NetError::NotABridge { name: name.to_owned() });
    };
    if vlans == Vlans::Filtered {
        require_filtering_of(&link)?;
    }
    start(kernel, &link, promiscuous)?;
    let mac = if mac.is_zero() { Mac::random()? } else { mac };
    if link.mac != Some(mac) {
        pin(kernel, link.index, mac)?;
    }
    let default_vlan = link.vlans.and_then(|vlans| vlans.default_vlan);
    Ok(Bridge { index: link.index, name: link.name, mac, default_vlan })
}

/// Whether [`ensure_filtering`] would find or make a bridge that filters VLANs. Makes nothing that stays: where there is
/// no such bridge yet, it is tried in a namespace that is gone at once.
///
/// # Errors
/// As [`ensure_filtering`].
pub fn require_filtering(kernel: &mut Socket<Route>, name: &str) -> Result<(), NetError> {
    match link::by_name(kernel, name)? {
        Some(link) if link.is_bridge() => require_filtering_of(&link),
        Some(_) => Err(NetError::NotABridge { name: name.to_owned() }),
        None => NetNs::create()?.enter(|| {
            let mut kernel = Socket::open().about(|| "of a namespace to try bridges in".to_owned())?;
            ensure_filtering(&mut kernel, name, None, false).map(drop)
        })?,
    }
}

fn require_filtering_of(bridge: &Link) -> Result<(), NetError> {
    match bridge.vlans {
        Some(vlans) if vlans.on => Ok(()),
        Some(_) => Err(NetError::VlansNotFiltered { bridge: bridge.name.clone() }),
        None => Err(NetError::NoVlanFiltering),
    }
}

/// Gives the bridge an Ethernet address that stays. One that somebody made without has none while it has no ports.
fn pin(kernel: &mut Socket<Route>, bridge: u32, mac: Mac) -> Result<(), NetError> {
    link::change(kernel, Which::Index(bridge), &Change { mac: Some(mac), ..Change::default() })
}

/// Makes the bridge, or finds that another process has just done so.
fn create(kernel: &mut Socket<Route>, name: &str, mtu: Option<u32>, vlans: Vlans) -> Result<(), NetError> {
    let message = creation(name, Mac::random()?, mtu, vlans);
    let message = Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
    match kernel.request("create", &message) {
        Err(error) if error.kind == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if vlans == Vlans::Filtered && lacks_filtering(&error) => Err(NetError::NoVlanFiltering),
        Err(source) => {
            let mtu = mtu.map(|mtu| format!(" with MTU {mtu}")).unwrap_or_default();
            Err(NetError::Kernel { object: format!("the bridge {name:?}{mtu}"), source })
        }
        Ok(()) => Ok(()),
    }
}

/// A kernel without bridges refuses with the same number, but says what it does not know.
fn lacks_filtering(error: &NetlinkError) -> bool {
    let knows_no_bridge = error.kernel_says.as_deref().is_some_and(|text| text.contains("Unknown device type"));
    error.kind == ErrorKind::Unsupported && !knows_no_bridge
}

fn creation(name: &str, mac: Mac, mtu: Option<u32>, vlans: Vlans) -> LinkMessage {
    let mut info = vec![LinkInfo::Kind(InfoKind::Bridge)];
    if vlans == Vlans::Filtered {
        info.push(LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])));
    }
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        // A bridge without an address of its own takes the lowest of its ports', anew with every port, and has none
        // when the last port is gone. One that it is born with stays, and udev does not replace it either.
        LinkAttribute::Address(mac.octets().to_vec()),
        LinkAttribute::LinkInfo(info),
    ];
    message.attributes.extend(mtu.map(LinkAttribute::Mtu));
    message
}

/// Sets the bridge up if it is not. That it is not says too that whoever made it may not have come this far.
fn start(kernel: &mut Socket<Route>, bridge: &Link, promiscuous: bool) -> Result<(), NetError> {
    if !bridge.up {
        sysctl::refuse_router_advertisements(&bridge.name);
    }
    let up = (!bridge.up).then_some(true);
    let promiscuous = (promiscuous && !bridge.promiscuous).then_some(true);
    if up.is_none() && promiscuous.is_none() {
        return Ok(());
    }
    link::change(kernel, Which::Index(bridge.index), &Change { up, promiscuous, ..Change::default() })
}

/// Waits until packets pass between a port of the bridge and the host, at most `patience`. Call it when both ends of the
/// port's link are up; the kernel needs a fraction of a millisecond from there. Must be called in the namespace of
/// `kernel`.
///
/// # Errors
/// [`NetError::NotOperational`] when `patience` is over.
pub fn wait_until_forwarding(
    kernel: &mut Socket<Route>,
    bridge: &Bridge,
    port: u32,
    patience: Duration,
) -> Result<(), NetError> {
    link::wait_until_operational(kernel, port, patience)?;
    // The first port takes the bridge with it, but a moment later; until then the host's answers are dropped.
    link::wait_until_operational(kernel, bridge.index, patience).map(drop)
}

/// Gives the bridge the address `wanted`, once, and waits until it can be used, which takes no time as a rule. Must be
/// called in the namespace of `kernel`.
///
/// Another IPv4 address on the bridge stands in the way, and so does an IPv6 address whose network overlaps; with
/// `force` they are removed. Returns whether the address is new.
///
/// # Errors
/// [`NetError::AddressConflict`] if another address stands in the way.
pub fn ensure_address(
    kernel: &mut Socket<Route>,
    bridge: &Bridge,
    wanted: IpNet,
    force: bool,
) -> Result<bool, NetError> {
    ensure_address_among(kernel, bridge, wanted, force, &[])
}

/// The same on a bridge of several networks of one owner: an address within another of `networks` than the wanted one
/// stands beside it, of whatever family.
///
/// # Errors
/// As [`ensure_address`].
pub fn ensure_address_among(
    kernel: &mut Socket<Route>,
    bridge: &Bridge,
    wanted: IpNet,
    force: bool,
    networks: &[IpNet],
) -> Result<bool, NetError> {
    let new = ensure_address_on(kernel, bridge.index, &bridge.name, wanted, force, networks)?;
    if new {
        // Containers will remember the gateway by this address. A bridge that `ensure` made has it pinned already.
        pin(kernel, bridge.index, bridge.mac)?;
    }
    Ok(new)
}

/// The same for any interface that is a gateway.
pub(crate) fn ensure_address_on(
    kernel: &mut Socket<Route>,
    index: u32,
    name: &str,
    wanted: IpNet,
    force: bool,
    networks: &[IpNet],
) -> Result<bool, NetError> {
    let mut present = address::list_like(kernel, index, wanted)?;
    let new = !present.iter().any(|address| address.net == wanted) && {
        present.retain(|address| is_apart(address, wanted, networks));
        make_room(kernel, index, name, wanted, force, &present)?;
        // Whoever runs at the same time wants the same address, so that it is there now is no error.
        address::add(kernel, index, wanted, DuplicateDetection::Off)?
    };
    // Not only if it is new: another process may have added it just now.
    address::wait_until_usable(kernel, index, name, &[wanted], ADDRESS_PATIENCE)?;
    Ok(new)
}

/// Whether [`ensure_address_among`] would find another address in the way, without `force`. Changes nothing.
///
/// # Errors
/// [`NetError::AddressConflict`]
pub fn require_room(
    kernel: &mut Socket<Route>,
    bridge: &Link,
    wanted: IpNet,
    networks: &[IpNet],
) -> Result<(), NetError> {
    let present = address::list_like(kernel, bridge.index, wanted)?;
    if present.iter().any(|address| address.net == wanted) {
        return Ok(());
    }
    let in_the_way = |address: &&Address| is_apart(address, wanted, networks) && excludes(address.net, wanted);
    match present.iter().find(in_the_way) {
        None => Ok(()),
        Some(address) => Err(NetError::AddressConflict { bridge: bridge.name.clone(), wanted, present: address.net }),
    }
}

/// Of none of the networks whose gateways stand beside the wanted one.
fn is_apart(address: &Address, wanted: IpNet, networks: &[IpNet]) -> bool {
    !networks.iter().any(|net| net.contains(&address.net) && !net.contains(&wanted))
}

fn make_room(
    kernel: &mut Socket<Route>,
    index: u32,
    name: &str,
    wanted: IpNet,
    force: bool,
    present: &[Address],
) -> Result<(), NetError> {
    for address in present.iter().filter(|address| excludes(address.net, wanted)) {
        if !force {
            let (bridge, present) = (name.to_owned(), address.net);
            return Err(NetError::AddressConflict { bridge, wanted, present });
        }
        address::delete(kernel, index, address.net)?;
    }
    Ok(())
}

fn excludes(present: IpNet, wanted: IpNet) -> bool {
    match (present, wanted) {
        (IpNet::V4(_), _) => true,
        (IpNet::V6(_), _) => present.contains(&wanted.addr()) || wanted.contains(&present.addr()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::message::attribute;

    #[test]
    fn who_comes_second_takes_what_the_first_has_made() {
        NetNs::create()
            .unwrap()
            .enter(|| {
                let mut kernel = Socket::open().unwrap();
                create(&mut kernel, "br0", None, Vlans::Whatever).unwrap();
                let first = link::by_name(&mut kernel, "br0").unwrap();
                // As if another process had made it after this one found none.
                create(&mut kernel, "br0", Some(1400), Vlans::Whatever).unwrap();
                assert_eq!(link::by_name(&mut kernel, "br0").unwrap(), first);
            })
            .unwrap();
    }

    /// The numbers are those of the kernel's headers `rtnetlink.h` and `if_link.h`.
    #[test]
    fn a_bridge_that_filters_vlans_is_asked_for_in_these_bytes() {
        let mac: Mac = "c2:00:00:00:00:01".parse().unwrap();
        let message = creation("br0", mac, None, Vlans::Filtered);
        let message = Message::of(&RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL);
        assert_eq!((message.message_type, message.flags), (16, 0x600), "RTM_NEWLINK, NLM_F_CREATE, NLM_F_EXCL");
        // IFLA_LINKINFO: IFLA_INFO_KIND "bridge", IFLA_INFO_DATA: IFLA_BR_VLAN_FILTERING 1.
        let info = [attribute(1, b"bridge\0"), attribute(2, &attribute(7, &[1]))].concat();
        let attributes = [attribute(3, b"br0\0"), attribute(1, &mac.octets()), attribute(18, &info)].concat();
        assert_eq!(message.body, [vec![0; 16], attributes].concat());
    }

    #[test]
    fn a_kernel_without_bridges_is_told_from_one_without_vlan_filtering() {
        let refusal = |sentence: Option<&str>| {
            NetlinkError::refused("create", rustix::io::Errno::OPNOTSUPP, sentence.map(str::to_owned))
        };
        assert!(lacks_filtering(&refusal(None)));
        assert!(!lacks_filtering(&refusal(Some("Unknown device type"))));
        assert!(!lacks_filtering(&NetlinkError::refused("create", rustix::io::Errno::PERM, None)));
    }
}
