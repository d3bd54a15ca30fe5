//! Between the contract's types and those authors use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use crate::bindings::policy::gingham::ipam::{addresses as wit, answers, pools};
use crate::{Answer, Dns, IpRange, Pool, PoolRange, Problem, Refusal, Route};

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

pub(crate) fn range_out(range: IpRange) -> wit::IpRange {
    wit::IpRange { first: address_out(range.first()), last: address_out(range.last()) }
}

pub(crate) fn range_in(range: &wit::IpRange) -> IpRange {
    let (first, last) = (address_in(range.first), address_in(range.last));
    // The host sends no range that is none.
    IpRange::new(first, last).unwrap_or(IpRange::from(first))
}

pub(crate) fn prefix_out(prefix: IpNet) -> wit::IpPrefix {
    wit::IpPrefix { address: address_out(prefix.addr()), length: prefix.prefix_len() }
}

pub(crate) fn prefix_in(prefix: &wit::IpPrefix) -> IpNet {
    let address = address_in(prefix.address);
    // The host sends no prefix that is longer than its address.
    IpNet::new(address, prefix.length).unwrap_or(IpNet::from(address))
}

pub(crate) fn time_in(millis: u64) -> SystemTime {
    // The largest time stands for one that is never reached.
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn dns_in(dns: wit::Dns) -> Dns {
    Dns { nameservers: dns.nameservers, domain: dns.domain, search: dns.search, options: dns.options }
}

fn dns_out(dns: &Dns) -> wit::Dns {
    let Dns { nameservers, domain, search, options } = dns.clone();
    wit::Dns { nameservers, domain, search, options }
}

fn route_out(route: &Route) -> wit::Route {
    let out = wit::Route::new(prefix_out(route.destination));
    if let Some(gateway) = route.gateway {
        out.set_gateway(address_out(gateway));
    }
    if let Some(mtu) = route.mtu {
        out.set_mtu(mtu);
    }
    if let Some(advmss) = route.advmss {
        out.set_advmss(advmss);
    }
    if let Some(priority) = route.priority {
        out.set_priority(priority);
    }
    if let Some(table) = route.table {
        out.set_table(table);
    }
    if let Some(scope) = route.scope {
        out.set_scope(scope);
    }
    out
}

pub(crate) fn pool_out(pool: &Pool) -> pools::Pool {
    let out = pools::Pool::new(pool.name());
    pool.ranges().iter().for_each(|range| out.add_range(pool_range_out(range)));
    out
}

fn pool_range_out(range: &PoolRange) -> pools::PoolRange {
    let out = pools::PoolRange::new(prefix_out(range.prefix()), range_out(range.range()));
    if let Some(gateway) = range.gateway() {
        out.set_gateway(address_out(gateway));
    }
    if range.allows_network_address() {
        out.allow_network_address();
    }
    if range.allows_broadcast_address() {
        out.allow_broadcast_address();
    }
    if range.is_draining() {
        out.set_draining();
    }
    out
}

pub(crate) fn answer_out(answer: &Answer) -> answers::Answer {
    let out = answers::Answer::new();
    for assigned in &answer.addresses {
        out.add_address(prefix_out(assigned.address), assigned.gateway.map(address_out));
    }
    for route in &answer.routes {
        out.add_route(route_out(route));
    }
    if let Some(dns) = &answer.dns {
        out.set_dns(&dns_out(dns));
    }
    if let Some(reason) = &answer.reason {
        out.set_reason(reason);
    }
    out
}

#[allow(clippy::needless_pass_by_value)] // Callers have no more use for it.
pub(crate) fn problem_out(problem: Problem) -> answers::Problem {
    answers::Problem::new(&problem.key, &problem.message)
}

pub(crate) fn problems_out(problems: Vec<Problem>) -> Vec<answers::Problem> {
    problems.into_iter().map(problem_out).collect()
}

#[allow(clippy::needless_pass_by_value)] // Callers have no more use for it.
pub(crate) fn refusal_out(refusal: Refusal) -> answers::Refusal {
    match refusal {
        Refusal::Exhausted(text) => answers::Refusal::exhausted(&text),
        Refusal::Unavailable(text) => answers::Refusal::unavailable(&text),
        Refusal::TryAgain { message, after } => {
            let after = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            answers::Refusal::try_again(&message, after)
        }
        Refusal::Denied(text) => answers::Refusal::denied(&text),
        Refusal::InvalidConfig(problem) => answers::Refusal::invalid_config(problem_out(problem)),
        Refusal::Other(text) => answers::Refusal::other(&text),
    }
}
