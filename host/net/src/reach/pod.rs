//! What a container needs so that it reaches those on other nodes.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Mode;
use super::vxlan::overhead;
use crate::route::Route;

/// `RT_SCOPE_LINK`.
const LINK_SCOPE: u8 = 253;

/// The MTU in bytes of containers, where the interface that leads to the other nodes has the MTU `uplink`: packets that
/// fit nowhere on the way would be lost where the container's peer ignores ICMP.
pub fn pod_mtu(mode: &Mode, uplink: u32) -> u32 {
    match mode {
        Mode::Route => uplink,
        Mode::Vxlan(vxlan) => uplink.saturating_sub(overhead(vxlan.local)),
    }
}

/// The address with its prefix length, and the routes, that a container with `address` gets in a cluster whose range is
/// `range`. `gateway` is its node's own address on the bridge. A default route is another matter.
///
/// IPv4: the range's own prefix length and no route; the bridge answers ARP for the other nodes.
///
/// IPv6: `/128`, a route to the gateway on the link and one to the range through it, in this order. With the range's
/// prefix length the container would look for its peers on the link, where the node can answer for single addresses only
/// (`proxy_ndp` has no prefixes). Containers of one node reach each other through the node's bridge address too.
pub fn pod_network(address: IpAddr, range: IpNet, gateway: IpAddr) -> (IpNet, Vec<Route>) {
    match range {
        IpNet::V4(_) => (IpNet::new(address, range.prefix_len()).unwrap_or(address.into()), Vec::new()),
        IpNet::V6(_) => {
            let on_link = Route { scope: Some(LINK_SCOPE), ..Route::to(gateway.into()) };
            let through = Route { gateway: Some(gateway), ..Route::to(range) };
            (address.into(), vec![on_link, through])
        }
    }
}
