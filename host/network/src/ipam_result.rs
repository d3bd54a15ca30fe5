//! The IPAM result of one attachment, from a policy or from another plugin.

use std::net::IpAddr;

use gingham_cni::result::{Dns, IpConfig, Route};
use gingham_engine::attachment;
use gingham_engine::ipam;
use gingham_engine::ledger::Cooling;
use gingham_engine::runtime::Policy;
use gingham_engine::settings::Settings;
use gingham_engine::settings::cluster::Routing;
use gingham_net::node_routes;
use ipnet::IpNet;

/// The reference's plugin of this name lets a bridge have one IPv4 address: with its configurations, a second pool's gateway
/// is an error here, too.
const ONE_ADDRESS_A_BRIDGE: &str = "host-local";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IpamResult {
    pub ips: Vec<IpConfig>,
    pub routes: Vec<Route>,
    pub dns: Dns,
    /// The networks the addresses lie in.
    pub prefixes: Vec<IpNet>,
    /// All networks of the policy, whose gateways share the bridge.
    pub networks: Vec<IpNet>,
    /// Those of the addresses that were cooling, and since when.
    pub cooling: Vec<Cooling>,
    /// Whether the gateways are this node's own leases: then no other address of their networks belongs on the bridge.
    pub own_gateways: bool,
    /// Whether a cluster's store was asked: then the routes to the other nodes may be new.
    pub asked_store: bool,
}

impl IpamResult {
    /// What a policy allocated on a network that is this node's alone.
    pub(crate) fn of(policy: &Policy, granted: ipam::IpamResult) -> Self {
        let result = Self::from(granted);
        if policy.name() == ONE_ADDRESS_A_BRIDGE { Self { networks: Vec::new(), ..result } } else { result }
    }

    /// What a policy allocated on a network that is divided among nodes. The node's own addresses, `gateways`, are the
    /// gateways where the policy names none, and a container that is to reach other nodes gets the network that this
    /// takes.
    pub(crate) fn in_cluster(granted: ipam::IpamResult, gateways: &[IpAddr], settings: &Settings) -> Self {
        let mut result = Self::from(granted);
        let mut routes = Vec::new();
        for (ip, range) in result.ips.iter_mut().zip(&result.prefixes) {
            let own = gateways.iter().find(|own| own.is_ipv4() == ip.address.addr().is_ipv4());
            ip.gateway = ip.gateway.or(own.copied());
            if let (Some(gateway), true) = (ip.gateway, settings.routing != Routing::None) {
                let (address, needed) = node_routes::container_network(ip.address.addr(), *range, gateway);
                // A policy may have given a smaller network of its own.
                ip.address = if address.addr().is_ipv6() { address } else { ip.address };
                routes.extend(needed.into_iter().map(cni_route));
            }
        }
        routes.append(&mut result.routes);
        Self { routes, own_gateways: !gateways.is_empty(), ..result }
    }
}

impl From<ipam::IpamResult> for IpamResult {
    fn from(granted: ipam::IpamResult) -> Self {
        let answer = granted.answer;
        let ip = |assigned: attachment::Assigned| IpConfig {
            interface: None,
            address: assigned.address,
            gateway: assigned.gateway,
        };
        let route = |route: attachment::Route| Route {
            dst: route.destination,
            gw: route.gateway,
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority,
            table: route.table,
            scope: route.scope,
        };
        Self {
            ips: answer.addresses.into_iter().map(ip).collect(),
            routes: answer.routes.into_iter().map(route).collect(),
            dns: answer.dns.map(cni_dns).unwrap_or_default(),
            prefixes: granted.prefixes,
            networks: granted.networks,
            cooling: granted.cooling,
            ..Self::default()
        }
    }
}

fn cni_dns(dns: attachment::Dns) -> Dns {
    let attachment::Dns { nameservers, domain, search, options } = dns;
    Dns { nameservers, domain: domain.unwrap_or_default(), search, options }
}

fn cni_route(route: gingham_net::route::Route) -> Route {
    Route {
        dst: route.destination,
        gw: route.gateway,
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority,
        table: route.table,
        scope: route.scope.map(u32::from),
    }
}
