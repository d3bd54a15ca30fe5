//! Attachments that earlier versions recorded: they masqueraded whole prefixes and did not write down for whom.

use std::net::IpAddr;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Masquerade};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::NetNs;
use gingham_net::{address, link};
use ipnet::IpNet;

/// Those that rules of earlier versions masquerade, with what is to be recorded of them.
pub(super) fn find(known: &[(AttachmentKey, AttachmentRecord)], earlier: &[IpNet]) -> Vec<(AttachmentKey, Masquerade)> {
    let find_one = |(key, record): &(AttachmentKey, AttachmentRecord)| {
        if record.masquerade.is_some() {
            return None;
        }
        // Where another plugin handed out the addresses, the record has none.
        let delegated =
            if record.addresses.is_empty() { addresses_inside(&record.netns, &key.interface) } else { Vec::new() };
        let addresses = record.addresses.iter().chain(&delegated);
        let is_theirs = |prefix: &&IpNet| addresses.clone().any(|address| prefix.contains(address));
        let within: Vec<IpNet> = earlier.iter().filter(is_theirs).copied().collect();
        (!within.is_empty()).then(|| (key.clone(), Masquerade { wanted: true, within, delegated }))
    };
    known.iter().filter_map(find_one).collect()
}

/// The addresses of a container's interface; none of a container that is gone.
fn addresses_inside(netns: &str, interface: &str) -> Vec<IpAddr> {
    let read = || {
        let mut kernel = Socket::<Route>::open().ok()?;
        let found = link::by_name(&mut kernel, interface).ok()??;
        let addresses = address::list(&mut kernel, found.index).ok()?;
        Some(addresses.into_iter().map(|address| address.net.addr()).collect())
    };
    let Ok(container) = NetNs::open(netns) else { return Vec::new() };
    container.enter(read).ok().flatten().unwrap_or_default()
}
