//! A cable: a veth pair from the calling thread's namespace, which has the switch or the router, into another one.

use std::net::IpAddr;
use std::time::Duration;

use gingham_net::address::{self, DuplicateDetection};
use gingham_net::bridge::{self, Bridge};
use gingham_net::container::{self, Interface};
use gingham_net::link::{self, BridgePort};
use gingham_net::netlink::{Route as Kernel, Socket};
use gingham_net::netns::NetNs;
use gingham_net::route::Route;
use gingham_net::veth::{self, Pair, Veth};
use ipnet::IpNet;

use crate::TestbedError;

/// Longer than a link takes to come up.
const LINK_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Cable<'a> {
    /// The name of the end here.
    pub port: &'a str,
    pub to: Port<'a>,
    /// The name of the end in the other namespace.
    pub interface: &'a str,
    pub addresses: &'a [IpNet],
    /// The other namespace's default routes.
    pub gateways: &'a [IpAddr],
}

/// What the end here is plugged into.
#[derive(Debug, Clone, Copy)]
pub enum Port<'a> {
    Switch(&'a Bridge),
    /// This namespace routes, with these addresses on the port.
    Router(&'a [IpNet]),
}

impl Cable<'_> {
    /// Returns when packets pass.
    ///
    /// # Errors
    /// The kernel does not allow it, or the link does not come up.
    pub fn connect(&self, kernel: &mut Socket<Kernel>, namespace: &NetNs) -> Result<Veth, TestbedError> {
        let switch = match self.to {
            Port::Switch(bridge) => Some(bridge.index),
            Port::Router(_) => None,
        };
        let veth = veth::create(kernel, &Pair { bridge: switch, ..pair(self.port, self.interface, namespace) })?;
        if let Port::Router(addresses) = self.to {
            for own in addresses {
                address::add(kernel, veth.host_index, *own, DuplicateDetection::Off)?;
            }
        }
        let routes: Vec<Route> = self.gateways.iter().map(|gateway| default_route(*gateway)).collect();
        let interface = Interface {
            index: veth.container_index,
            name: self.interface,
            addresses: self.addresses,
            routes: &routes,
            detection: DuplicateDetection::Off,
        };
        container::configure(namespace, &interface)?;
        match self.to {
            Port::Switch(bridge) => bridge::wait_until_forwarding(kernel, bridge, veth.host_index, LINK_TIMEOUT)?,
            Port::Router(addresses) => {
                link::wait_until_operational(kernel, veth.host_index, LINK_TIMEOUT)?;
                address::wait_until_usable(kernel, veth.host_index, self.port, addresses, LINK_TIMEOUT)?;
            }
        }
        Ok(veth)
    }
}

/// A pair with nothing but names.
pub fn pair<'a>(host_name: &'a str, container_name: &'a str, container: &'a NetNs) -> Pair<'a> {
    Pair {
        host_name,
        container_name,
        container,
        mac: None,
        mtu: None,
        bridge: None,
        port: BridgePort::default(),
        alias: None,
    }
}

pub fn default_route(gateway: IpAddr) -> Route {
    let everything =
        if gateway.is_ipv4() { IpNet::V4(ipnet::Ipv4Net::default()) } else { IpNet::V6(ipnet::Ipv6Net::default()) };
    Route { gateway: Some(gateway), ..Route::to(everything) }
}
