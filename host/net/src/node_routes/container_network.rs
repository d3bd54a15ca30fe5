//! The MTU, prefix length and routes that a container of a cluster gets.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Mode;
use super::vxlan::overhead;
use crate::route::Route;

/// `RT_SCOPE_LINK`.
const LINK_SCOPE: u8 = 253;

/// The MTU of containers in bytes, if the interface to the other nodes has the MTU `uplink`. Larger packets would be lost
/// wherever a peer ignores ICMP.
pub fn container_mtu(mode: &Mode, uplink: u32) -> u32 {
    match mode {
        Mode::Direct => uplink,
        Mode::Vxlan(vxlan) => uplink.saturating_sub(overhead(vxlan.local)),
    }
}

/// The address with its prefix length, and the routes, of a container in a cluster with this range; without the default
/// route. `gateway` is its node's address on the bridge.
///
/// IPv4: the range's prefix length and no route; the bridge answers ARP for the other nodes.
///
/// IPv6: `/128`, a route to the gateway on the link and one to the range through it, in this order. With the range's
/// prefix length the container would send neighbour solicitations for its peers, and `proxy_ndp` answers for single
/// addresses only. So containers of one node also reach each other through the gateway.
pub fn container_network(address: IpAddr, range: IpNet, gateway: IpAddr) -> (IpNet, Vec<Route>) {
    match range {
        IpNet::V4(_) => (IpNet::new(address, range.prefix_len()).unwrap_or(address.into()), Vec::new()),
        IpNet::V6(_) => {
            let on_link = Route { scope: Some(LINK_SCOPE), ..Route::to(gateway.into()) };
            let through = Route { gateway: Some(gateway), ..Route::to(range) };
            (address.into(), vec![on_link, through])
        }
    }
}
