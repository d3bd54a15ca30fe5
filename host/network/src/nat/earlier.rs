//! Attachments that earlier versions recorded: they masqueraded whole prefixes and did not write down for whom.

use std::net::IpAddr;

use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, Masquerade};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::{NetNs, NetnsError};
use gingham_net::{address, link};
use ipnet::IpNet;

/// Those that rules of earlier versions masquerade, with what is to be recorded of them. Fails where a container is there and
/// may not be looked into: without its addresses it would lose its masquerade.
pub(super) fn find(
    known: &[(AttachmentKey, AttachmentRecord)],
    earlier: &[IpNet],
) -> Result<Vec<(AttachmentKey, Masquerade)>, NetnsError> {
    let find_one = |(key, record): &(AttachmentKey, AttachmentRecord)| {
        if record.masquerade.is_some() {
            return Ok(None);
        }
        // Where another plugin handed out the addresses, the record has none.
        let is_delegated = record.addresses.is_empty();
        let delegated = if is_delegated { addresses_inside(&record.netns, &key.interface)? } else { Vec::new() };
        let addresses = record.addresses.iter().chain(&delegated);
        let is_theirs = |prefix: &&IpNet| addresses.clone().any(|address| prefix.contains(address));
        let within: Vec<IpNet> = earlier.iter().filter(is_theirs).copied().collect();
        Ok((!within.is_empty()).then(|| (key.clone(), Masquerade { wanted: true, within, delegated })))
    };
    known.iter().filter_map(|known| find_one(known).transpose()).collect()
}

/// The addresses of a container's interface; none of a container that is gone.
fn addresses_inside(netns: &str, interface: &str) -> Result<Vec<IpAddr>, NetnsError> {
    let read = || {
        let mut kernel = Socket::<Route>::open().ok()?;
        let found = link::by_name(&mut kernel, interface).ok()??;
        let addresses = address::list(&mut kernel, found.index).ok()?;
        Some(addresses.into_iter().map(|address| address.net.addr()).collect())
    };
    match NetNs::open(netns) {
        Ok(container) => Ok(container.enter(read)?.unwrap_or_default()),
        Err(NetnsError::Missing { .. } | NetnsError::NotANamespace { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
