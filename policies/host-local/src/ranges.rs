//! From the written ranges to pools. The sentences are those of the reference where people search for them.

use std::net::IpAddr;

use gingham_sdk::{IpNet, IpRange, Pool, PoolRange, Problem, Route};

use crate::config::{Config, RangeConfig};
use crate::overlap;

/// The pools of a configuration: one for each range set.
pub(crate) fn pools(config: &Config) -> Result<Vec<Pool>, Vec<Problem>> {
    let sets = config.range_sets();
    if sets.is_empty() {
        return Err(vec![Problem::new("", "no IP ranges specified: set `subnet` or `ranges`")]);
    }
    let mut pools: Vec<Pool> = Vec::new();
    let mut problems = Vec::new();
    for (index, (key, set)) in sets.iter().enumerate() {
        match pool(index, key, set) {
            Ok(pool) => pools.push(pool),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() {
        let overlap = overlap::of_sets(&pools);
        problems.extend(
            overlap.map(|(one, other)| Problem::new(&sets[other].0, format!("range set {one} overlaps with {other}"))),
        );
    }
    problems.append(&mut Route::problems(config.routes.as_deref().unwrap_or_default()));
    if problems.is_empty() { Ok(pools) } else { Err(problems) }
}

fn pool(index: usize, key: &str, set: &[RangeConfig]) -> Result<Pool, Vec<Problem>> {
    let fault = |message: String| vec![Problem::new(key, format!("invalid range set {index}: {message}"))];
    if set.is_empty() {
        return Err(fault("empty range set".to_owned()));
    }
    let mut problems = Vec::new();
    let mut ranges = Vec::new();
    for (number, written) in set.iter().enumerate() {
        let key = if key.is_empty() { String::new() } else { format!("{key}[{number}].") };
        match range(written) {
            Ok(range) => ranges.push(range),
            Err((name, message)) => problems.push(Problem::new(format!("{key}{name}"), message)),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let is_ipv4 = |range: &PoolRange| range.prefix().addr().is_ipv4();
    if ranges.iter().any(|range| is_ipv4(range) != is_ipv4(&ranges[0])) {
        return Err(fault("mixed address families".to_owned()));
    }
    match overlap::of_ranges(&ranges) {
        Some((one, other)) => Err(fault(format!("subnets {} and {} overlap", one.range(), other.range()))),
        None => Ok(ranges.into_iter().fold(Pool::new(format!("range set {index}")), Pool::range)),
    }
}

/// A fault is the key's name and the sentence.
fn range(written: &RangeConfig) -> Result<PoolRange, (&'static str, String)> {
    let prefix = subnet(written.subnet.as_deref().unwrap_or_default()).map_err(|message| ("subnet", message))?;
    let (start, end) =
        (address("rangeStart", written.range_start.as_deref())?, address("rangeEnd", written.range_end.as_deref())?);
    let first = start.unwrap_or_else(|| step(prefix.network(), 1));
    let last =
        end.unwrap_or(if prefix.network().is_ipv4() { step(prefix.broadcast(), -1) } else { prefix.broadcast() });
    for (key, name, bound) in [("rangeStart", "RangeStart", first), ("rangeEnd", "RangeEnd", last)] {
        if !prefix.contains(&bound) {
            return Err((key, format!("{name} {bound} not in network {prefix}")));
        }
    }
    let behind = || format!("RangeStart {first} not in network {prefix} up to the range's last address {last}");
    let range = IpRange::new(first, last).and_then(|range| PoolRange::new(prefix, range));
    let range = range.ok_or_else(|| ("rangeStart", behind()))?;
    let gateway = gateway(prefix, written)?.or(PoolRange::of(prefix).gateway());
    // Whoever names the network's or the broadcast address as a bound wants it handed out.
    Ok(range
        .with_gateway(gateway)
        .allowing_network_address(start == Some(prefix.network()))
        .allowing_broadcast_address(end == Some(prefix.broadcast()))
        .draining(written.draining))
}

fn subnet(text: &str) -> Result<IpNet, String> {
    if text.is_empty() {
        return Err("is missing: every range needs its network, e.g. \"10.1.0.0/16\"".to_owned());
    }
    let prefix = cidr(text).ok_or_else(|| format!("invalid CIDR address: {text}"))?;
    if prefix.max_prefix_len() - prefix.prefix_len() < 2 {
        return Err(format!("Network {prefix} too small to allocate from"));
    }
    if prefix.addr() != prefix.network() {
        let (length, network) = (prefix.prefix_len(), prefix.network());
        return Err(format!(
            "Network has host bits set. For a subnet mask of length {length} the network address is {network}"
        ));
    }
    Ok(prefix)
}

/// With the standard library's word on the address: a leading zero, which others read as octal, is no number.
fn cidr(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()
}

fn address(key: &'static str, text: Option<&str>) -> Result<Option<IpAddr>, (&'static str, String)> {
    match text {
        None | Some("") => Ok(None),
        // As Go has it, an IPv4 address in IPv6 clothes is an IPv4 address.
        Some(text) => match text.parse::<IpAddr>() {
            Ok(address) => Ok(Some(address.to_canonical())),
            Err(_) => Err((key, format!("invalid IP address {text}"))),
        },
    }
}

/// It may lie outside of the network, as with the reference, but not in the other family.
fn gateway(prefix: IpNet, written: &RangeConfig) -> Result<Option<IpAddr>, (&'static str, String)> {
    match address("gateway", written.gateway.as_deref())? {
        Some(gateway) if gateway.is_ipv4() != prefix.addr().is_ipv4() => {
            Err(("gateway", format!("{gateway} must be of the same address family as {prefix}")))
        }
        gateway => Ok(gateway),
    }
}

/// The address one above or below; only called within a network of four addresses or more.
fn step(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(u32::from(v4).wrapping_add_signed(by.into()).into()),
        IpAddr::V6(v6) => IpAddr::V6(u128::from(v6).wrapping_add_signed(by.into()).into()),
    }
}
