//! What the container's interface and the bridge get, worked out of what the IPAM gave: pure.

use std::net::IpAddr;

use gingham_cni::result::{CniResult, Dns, IpConfig, Route};
use gingham_engine::address::successor;
use gingham_engine::ipam::IpamResult;
use gingham_net::route;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::bridge_config::BridgeConfig;
use crate::cni_result;

/// What is to be configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addressing {
    /// The container's addresses, each with its gateway.
    pub ips: Vec<IpConfig>,
    /// The container's routes, as in the result.
    pub routes: Vec<Route>,
    /// The bridge's addresses: the gateways. Empty if the bridge is no gateway.
    pub gateways: Vec<IpNet>,
    pub dns: Dns,
}

/// An IPAM result that cannot be configured. CNI code 7.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressingError {
    /// Nothing to put on the bridge.
    #[error(
        "isGateway: the IPAM named no gateway for {address}, and its network leaves no address for one; \
         configure a gateway, or turn isGateway off"
    )]
    NoRoomForGateway { address: IpNet },
    /// The kernel has no such scope.
    #[error("routes: the route to {destination} has scope {scope}, expected a number from 0 to 255")]
    Scope { destination: IpNet, scope: u32 },
}

/// The container's interface is the third of the result: bridge, the node's end, the container's end.
pub const CONTAINER_INTERFACE: usize = 2;

impl Addressing {
    pub fn of(ipam: &IpamResult, bridge: &BridgeConfig) -> Result<Self, AddressingError> {
        let CniResult { mut ips, mut routes, dns, .. } = cni_result::of(ipam);
        for ip in &mut ips {
            ip.interface = Some(CONTAINER_INTERFACE);
            if bridge.is_gateway && ip.gateway.is_none() {
                ip.gateway = Some(first_of(ip.address)?);
            }
        }
        if bridge.is_default_gateway {
            routes.extend(missing_default_routes(&ips, &routes));
        }
        let gateways = if bridge.is_gateway { gateways(&ips, &ipam.prefixes) } else { Vec::new() };
        let dns = if bridge.dns.is_empty() { dns } else { bridge.dns.clone() };
        Ok(Self { ips, routes, gateways, dns })
    }

    pub fn addresses(&self) -> Vec<IpNet> {
        self.ips.iter().map(|ip| ip.address).collect()
    }

    /// The routes as the kernel wants them: one without next hop leads through the family's first gateway.
    pub fn kernel_routes(&self) -> Result<Vec<route::Route>, AddressingError> {
        self.routes.iter().map(|route| self.kernel_route(route)).collect()
    }

    fn kernel_route(&self, route: &Route) -> Result<route::Route, AddressingError> {
        let scope = route
            .scope
            .map(|scope| u8::try_from(scope).map_err(|_| AddressingError::Scope { destination: route.dst, scope }));
        Ok(route::Route {
            destination: route.dst.trunc(),
            gateway: route.gw.or_else(|| first_gateway(&self.ips, route.dst).filter(|_| !is_on_link(route))),
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: scope.transpose()?,
        })
    }
}

/// A destination on the link itself has no next hop: scope `link` or `host`.
fn is_on_link(route: &Route) -> bool {
    route.scope.is_some_and(|scope| scope >= 253)
}

fn is_v4(net: IpNet) -> bool {
    net.addr().is_ipv4()
}

fn first_gateway(ips: &[IpConfig], like: IpNet) -> Option<IpAddr> {
    ips.iter().filter(|ip| is_v4(ip.address) == is_v4(like)).find_map(|ip| ip.gateway)
}

/// The network's first address, if the container does not have it itself.
fn first_of(address: IpNet) -> Result<IpAddr, AddressingError> {
    successor(address.network())
        .filter(|first| address.contains(first) && *first != address.addr())
        .ok_or(AddressingError::NoRoomForGateway { address })
}

/// A default route for each family that has a gateway and no such route yet, in the order of the addresses.
fn missing_default_routes(ips: &[IpConfig], routes: &[Route]) -> Vec<Route> {
    let mut missing: Vec<Route> = Vec::new();
    for ip in ips {
        let dst = if is_v4(ip.address) { IpNet::V4(Ipv4Net::default()) } else { IpNet::V6(Ipv6Net::default()) };
        let is_there = routes.iter().chain(&missing).any(|route| route.dst == dst);
        let gw = first_gateway(ips, dst).filter(|_| !is_there);
        missing.extend(gw.map(|gw| Route {
            dst,
            gw: Some(gw),
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }));
    }
    missing
}

/// The gateways with the container's prefix length; that of its network where the container has none of its own.
fn gateways(ips: &[IpConfig], networks: &[IpNet]) -> Vec<IpNet> {
    let mut gateways = Vec::new();
    for ip in ips {
        let Some(gateway) = ip.gateway else { continue };
        let of_network = networks.iter().find(|network| network.contains(&gateway)).filter(|_| is_host(ip.address));
        let length = of_network.map_or(ip.address.prefix_len(), IpNet::prefix_len);
        let gateway = IpNet::new(gateway, length).ok();
        gateways.extend(gateway.filter(|gateway| !gateways.contains(gateway)));
    }
    gateways
}

fn is_host(address: IpNet) -> bool {
    address.prefix_len() == address.max_prefix_len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge(text: &str) -> BridgeConfig {
        BridgeConfig::read(&serde_json::from_str(text).unwrap()).unwrap()
    }

    fn ip(address: &str, gateway: Option<&str>) -> IpConfig {
        let gateway = gateway.map(|gateway| gateway.parse().unwrap());
        IpConfig { interface: None, address: address.parse().unwrap(), gateway }
    }

    fn route(dst: &str, gw: Option<&str>) -> Route {
        let gw = gw.map(|gw| gw.parse().unwrap());
        Route { dst: dst.parse().unwrap(), gw, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }

    fn ipam(result: CniResult) -> IpamResult {
        cni_result::into_ipam(result)
    }

    fn texts<T: ToString>(list: impl IntoIterator<Item = T>) -> Vec<String> {
        list.into_iter().map(|item| item.to_string()).collect()
    }

    #[test]
    fn a_gateway_is_the_ipams_or_the_networks_first_address() {
        let result = ipam(CniResult {
            ips: vec![ip("10.1.2.3/16", Some("10.1.9.9")), ip("10.2.2.3/24", None), ip("2001:db8::5/64", None)],
            ..CniResult::default()
        });
        let addressing = Addressing::of(&result, &bridge(r#"{"isGateway":true}"#)).unwrap();
        assert_eq!(texts(addressing.gateways), ["10.1.9.9/16", "10.2.2.1/24", "2001:db8::1/64"]);
        let plain = Addressing::of(&result, &bridge("{}")).unwrap();
        assert_eq!((plain.gateways, plain.ips[1].gateway), (vec![], None));
    }

    #[test]
    fn where_the_container_has_the_first_address_there_is_no_room() {
        for address in ["10.1.2.1/24", "10.1.2.3/32", "255.255.255.255/32"] {
            let result = ipam(CniResult { ips: vec![ip(address, None)], ..CniResult::default() });
            let fault = Addressing::of(&result, &bridge(r#"{"isGateway":true}"#)).unwrap_err();
            assert!(fault.to_string().starts_with("isGateway: "), "{address}");
        }
    }

    #[test]
    fn a_default_route_comes_for_each_family_that_has_none() {
        let result = ipam(CniResult {
            ips: vec![ip("10.1.2.3/16", Some("10.1.0.1")), ip("2001:db8::5/64", Some("2001:db8::1"))],
            routes: vec![route("0.0.0.0/0", None)],
            ..CniResult::default()
        });
        let addressing = Addressing::of(&result, &bridge(r#"{"isDefaultGateway":true}"#)).unwrap();
        assert_eq!(addressing.routes, [route("0.0.0.0/0", None), route("::/0", Some("2001:db8::1"))]);
        let turned =
            ipam(CniResult { ips: cni_result::of(&result).ips.into_iter().rev().collect(), ..CniResult::default() });
        let turned = Addressing::of(&turned, &bridge(r#"{"isDefaultGateway":true}"#)).unwrap();
        let expected = [route("::/0", Some("2001:db8::1")), route("0.0.0.0/0", Some("10.1.0.1"))];
        assert_eq!(turned.routes, expected, "in the order of the addresses");
        let kernel = addressing.kernel_routes().unwrap();
        assert_eq!(kernel[0].gateway, Some("10.1.0.1".parse().unwrap()));
    }

    #[test]
    fn the_configurations_dns_replaces_the_ipams() {
        let dns = Dns { domain: "ipam".into(), ..Dns::default() };
        let result = ipam(CniResult { dns: dns.clone(), ..CniResult::default() });
        assert_eq!(Addressing::of(&result, &bridge("{}")).unwrap().dns, dns);
        let own = bridge(r#"{"dns":{"nameservers":["10.0.0.1"]}}"#);
        assert_eq!(Addressing::of(&result, &own).unwrap().dns, own.dns);
    }

    #[test]
    fn scopes_are_the_kernels() {
        let mut addressing = Addressing { routes: vec![route("10.0.0.0/8", None)], ..Addressing::default() };
        addressing.routes[0].scope = Some(253);
        assert_eq!(addressing.kernel_routes().unwrap()[0].scope, Some(253));
        addressing.routes[0].scope = Some(256);
        assert!(matches!(addressing.kernel_routes(), Err(AddressingError::Scope { .. })));
    }
}
