//! Between the contract's types and those authors use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::bindings::plain::gingham::ipam::{addresses as wit, attachment};
use crate::{Answer, Dns, Ended, Pool, Problem, Refusal, Route};

pub(crate) fn address_in(address: wit::IpAddress) -> IpAddr {
    match address {
        wit::IpAddress::Ipv4(bytes) => Ipv4Addr::from(<[u8; 4]>::from(bytes)).into(),
        wit::IpAddress::Ipv6(groups) => Ipv6Addr::from(<[u16; 8]>::from(groups)).into(),
    }
}

pub(crate) fn address_out(address: IpAddr) -> wit::IpAddress {
    match address {
        IpAddr::V4(v4) => wit::IpAddress::Ipv4(v4.octets().into()),
        IpAddr::V6(v6) => wit::IpAddress::Ipv6(v6.segments().into()),
    }
}

/// None where the ends are of two families or in the wrong order: such a range holds nothing.
pub(crate) fn range_out(first: IpAddr, last: IpAddr) -> Option<wit::IpRange> {
    let sound = first.is_ipv4() == last.is_ipv4() && first <= last;
    sound.then(|| wit::IpRange { first: address_out(first), last: address_out(last) })
}

pub(crate) fn prefix_out(prefix: IpNet) -> wit::IpPrefix {
    wit::IpPrefix { address: address_out(prefix.addr()), length: prefix.prefix_len() }
}

pub(crate) fn prefix_in(prefix: &wit::IpPrefix) -> IpNet {
    let address = address_in(prefix.address);
    // The host sends no prefix that is longer than its address.
    IpNet::new(address, prefix.length).unwrap_or(IpNet::from(address))
}

pub(crate) fn dns_in(dns: wit::Dns) -> Dns {
    Dns { nameservers: dns.nameservers, domain: dns.domain, search: dns.search, options: dns.options }
}

fn dns_out(dns: &Dns) -> wit::Dns {
    let Dns { nameservers, domain, search, options } = dns.clone();
    wit::Dns { nameservers, domain, search, options }
}

fn route_out(route: &Route) -> wit::Route {
    wit::Route {
        destination: prefix_out(route.dst),
        gateway: route.gw.map(address_out),
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority,
        table: route.table,
        scope: route.scope,
    }
}

pub(crate) fn pool_out(pool: &Pool) -> attachment::Pool {
    let out = attachment::Pool::new(&pool.name);
    for range in &pool.ranges {
        let within = wit::IpRange { first: address_out(range.first), last: address_out(range.last) };
        let edges = if range.with_edges { attachment::Edges::Allowed } else { attachment::Edges::Reserved };
        out.add_range(prefix_out(range.prefix), within, range.gateway.map(address_out), edges);
    }
    out
}

pub(crate) fn answer_out(answer: &Answer) -> attachment::Answer {
    let out = attachment::Answer::new();
    for assigned in &answer.addresses {
        out.add_address(prefix_out(assigned.address), assigned.gateway.map(address_out));
    }
    for route in &answer.routes {
        out.add_route(route_out(route));
    }
    if let Some(dns) = &answer.dns {
        out.set_dns(&dns_out(dns));
    }
    out
}

pub(crate) fn problem_out(problem: Problem) -> attachment::Problem {
    attachment::Problem { key: problem.key, message: problem.message }
}

pub(crate) fn refusal_out(refusal: Refusal) -> attachment::Refusal {
    match refusal {
        Refusal::Exhausted(text) => attachment::Refusal::Exhausted(text),
        Refusal::Unavailable(text) => attachment::Refusal::Unavailable(text),
        Refusal::TryAgain(text) => attachment::Refusal::TryAgain(text),
        Refusal::Denied(text) => attachment::Refusal::Denied(text),
        Refusal::InvalidConfig(problem) => attachment::Refusal::InvalidConfig(problem_out(problem)),
        Refusal::Other(text) => attachment::Refusal::Other(text),
    }
}

pub(crate) fn ended_in(ended: attachment::Ended) -> Ended {
    Ended {
        container_id: ended.container_id,
        interface_name: ended.interface_name,
        addresses: ended.addresses.into_iter().map(address_in).collect(),
        pod_namespace: ended.pod_namespace,
        pod_name: ended.pod_name,
        now: ended.now,
    }
}
