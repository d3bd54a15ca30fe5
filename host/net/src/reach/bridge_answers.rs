//! Letting a bridge pass on what its containers send to other nodes.
//!
//! A container takes the whole range for its link and asks by ARP for an address that is on another node. With
//! `proxy_arp` the node answers if its route to that address leaves by another interface than the bridge. So addresses
//! of the node's own containers, and those that no node holds, stay unanswered by it.

use ipnet::IpNet;

use crate::link;
use crate::netlink::{Route, Socket};
use crate::{NetError, sysctl};

/// Lets the kernel forward packets of the range's family.
pub(super) fn forward(range: IpNet) -> Result<(), NetError> {
    match range {
        IpNet::V4(_) => sysctl::forward_ipv4(),
        IpNet::V6(_) => sysctl::forward_ipv6(),
    }
}

/// Makes the bridge answer ARP for IPv4 addresses of the ranges that are routed to other nodes, at once. Settings that
/// are right are not written. Returns false if there is no such bridge yet.
///
/// # Errors
/// A setting may not be written.
pub fn ensure_bridge_answers(kernel: &mut Socket<Route>, bridge: &str, ranges: &[IpNet]) -> Result<bool, NetError> {
    if link::by_name(kernel, bridge)?.is_none() {
        return Ok(false);
    }
    if ranges.iter().any(|range| matches!(range, IpNet::V4(_))) {
        // Otherwise the answer waits a random time of up to 0.8 s: it is meant for several proxies on one link.
        sysctl::set(&proxy_delay(bridge), "0")?;
        sysctl::set(&proxy_arp(bridge), "1")?;
    }
    Ok(true)
}

/// Ends the answers. Returns whether there were any.
pub(super) fn end(bridge: &str) -> Result<bool, NetError> {
    let setting = proxy_arp(bridge);
    let answers = sysctl::get(&setting).is_ok_and(|value| value != "0");
    if answers {
        sysctl::if_there(sysctl::set(&setting, "0"))?;
    }
    Ok(answers)
}

fn proxy_arp(bridge: &str) -> String {
    format!("ipv4/conf/{bridge}/proxy_arp")
}

fn proxy_delay(bridge: &str) -> String {
    format!("ipv4/neigh/{bridge}/proxy_delay")
}
