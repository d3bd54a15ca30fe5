//! The engine's IPAM result in CNI's types, and back: at the border, where a result is read or written.

use gingham_cni::result::{CniResult, Dns, IpConfig, Route};
use gingham_engine::attachment::{self, Answer, Assigned};
use gingham_engine::ipam::IpamResult;

/// Without interfaces.
pub fn of(ipam: &IpamResult) -> CniResult {
    let Answer { addresses, routes, dns, .. } = &ipam.answer;
    let ip = |assigned: &Assigned| IpConfig { interface: None, address: assigned.address, gateway: assigned.gateway };
    CniResult {
        interfaces: Vec::new(),
        ips: addresses.iter().map(ip).collect(),
        routes: routes.iter().map(cni_route).collect(),
        dns: dns.clone().map(cni_dns).unwrap_or_default(),
    }
}

/// Of another plugin: its addresses' own networks are all that is known of its pools.
pub(crate) fn into_ipam(result: CniResult) -> IpamResult {
    let prefixes = result.ips.iter().map(|ip| ip.address.trunc()).collect();
    let assigned = |ip: &IpConfig| Assigned { address: ip.address, gateway: ip.gateway };
    let answer = Answer {
        addresses: result.ips.iter().map(assigned).collect(),
        routes: result.routes.iter().map(engine_route).collect(),
        dns: (!result.dns.is_empty()).then(|| engine_dns(result.dns)),
        reason: None,
    };
    IpamResult { answer, prefixes, ..IpamResult::default() }
}

fn cni_route(route: &attachment::Route) -> Route {
    let attachment::Route { destination, gateway, mtu, advmss, priority, table, scope } = *route;
    Route { dst: destination, gw: gateway, mtu, advmss, priority, table, scope }
}

fn engine_route(route: &Route) -> attachment::Route {
    let Route { dst, gw, mtu, advmss, priority, table, scope } = *route;
    attachment::Route { destination: dst, gateway: gw, mtu, advmss, priority, table, scope }
}

fn cni_dns(dns: attachment::Dns) -> Dns {
    let attachment::Dns { nameservers, domain, search, options } = dns;
    Dns { nameservers, domain: domain.unwrap_or_default(), search, options }
}

pub(crate) fn engine_dns(dns: Dns) -> attachment::Dns {
    let Dns { nameservers, domain, search, options } = dns;
    attachment::Dns { nameservers, domain: (!domain.is_empty()).then_some(domain), search, options }
}
