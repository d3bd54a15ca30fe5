//! The engine's IPAM result in CNI's types, and back: at the border, where a result is read or written.
//!
//! A route has a type in each of cni, engine and net, because none of them imports another; that of the kernel is made in
//! `addressing`.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_another_plugin_comes_back_as_it_was() {
        let ip = IpConfig {
            interface: None,
            address: "10.1.0.2/24".parse().unwrap(),
            gateway: Some("10.1.0.1".parse().unwrap()),
        };
        let route = Route {
            dst: "10.0.0.0/8".parse().unwrap(),
            gw: None,
            mtu: Some(1400),
            advmss: Some(1360),
            priority: Some(7),
            table: Some(100),
            scope: Some(253),
        };
        let dns = Dns { nameservers: vec!["10.0.0.1".to_owned()], domain: "a.b".to_owned(), ..Dns::default() };
        let result = CniResult { interfaces: Vec::new(), ips: vec![ip], routes: vec![route], dns };
        let ipam = into_ipam(result.clone());
        assert_eq!(ipam.prefixes, ["10.1.0.0/24".parse().unwrap()]);
        assert_eq!(of(&ipam), result);
    }
}
