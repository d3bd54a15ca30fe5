//! Proxy ARP of a bridge.
//!
//! A container sends ARP requests for every address of the range, also for those of other nodes. With `proxy_arp` the
//! kernel answers if its route to that address leaves by another interface than the bridge. So it answers neither for
//! this node's containers nor for addresses of no node.

use ipnet::IpNet;

use crate::link;
use crate::netlink::{Route, Socket};
use crate::{NetError, sysctl};

pub(super) fn forward(range: IpNet) -> Result<(), NetError> {
    match range {
        IpNet::V4(_) => sysctl::forward_ipv4(),
        IpNet::V6(_) => sysctl::forward_ipv6(),
    }
}

/// Makes the bridge answer ARP for IPv4 addresses that are routed to other nodes. Returns false if the bridge does not
/// exist yet.
pub fn ensure_proxy_arp(kernel: &mut Socket<Route>, bridge: &str, ranges: &[IpNet]) -> Result<bool, NetError> {
    if link::by_name(kernel, bridge)?.is_none() {
        return Ok(false);
    }
    if ranges.iter().any(|range| matches!(range, IpNet::V4(_))) {
        // Otherwise the kernel delays the answer by up to 0.8 s at random, for links with several proxies.
        sysctl::set(&proxy_delay(bridge), "0")?;
        sysctl::set(&proxy_arp(bridge), "1")?;
    }
    Ok(true)
}

/// Returns whether it was on.
pub(super) fn disable(bridge: &str) -> Result<bool, NetError> {
    let setting = proxy_arp(bridge);
    let is_on = sysctl::get(&setting).is_ok_and(|value| value != "0");
    if is_on {
        sysctl::if_there(sysctl::set(&setting, "0"))?;
    }
    Ok(is_on)
}

fn proxy_arp(bridge: &str) -> String {
    format!("ipv4/conf/{bridge}/proxy_arp")
}

fn proxy_delay(bridge: &str) -> String {
    format!("ipv4/neigh/{bridge}/proxy_delay")
}
