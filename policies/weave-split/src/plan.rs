//! From the written configuration to the range, its grid, and the blocks to be divided.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gingham_sdk::{Grid, IpNet, IpRange, Pool, PoolRange, Problem, Route};

use crate::config::{Config, Divide};
use crate::division;

/// Weave Net's.
const DEFAULT_RANGE: &str = "10.32.0.0/12";

/// A small range has this many bits of blocks, 16 of them, if that leaves a block any addresses.
const FEWEST_BLOCKS: u8 = 4;

/// A configuration, understood.
pub(crate) struct Plan {
    /// The range in blocks.
    pub(crate) grid: Grid,
    /// What containers see as their network: the range, a part of it, or a network around it.
    pub(crate) subnet: IpNet,
    /// What containers get as their gateway.
    gateway: Option<IpAddr>,
    divide: Divide,
}

impl Plan {
    /// Understands a configuration, or finds everything that is wrong with it.
    pub(crate) fn of(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Route::problems(config.routes.as_deref().unwrap_or_default());
        let mut found = |problem: Problem| problems.push(problem);
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let range = network("range", &text(&config.range).unwrap_or_else(|| DEFAULT_RANGE.to_owned()));
        let subnet = text(&config.subnet).map(|subnet| network("subnet", &subnet)).transpose();
        let gateway = text(&config.gateway).map(|gateway| address("gateway", &gateway)).transpose();
        let (range, subnet, gateway) = match (range, subnet, gateway) {
            (Ok(range), Ok(subnet), Ok(gateway)) => (range, subnet.unwrap_or(range), gateway),
            (range, subnet, gateway) => {
                [range.err(), subnet.err(), gateway.err()].into_iter().flatten().for_each(found);
                return Err(problems);
            }
        };
        let length = config.block_size.unwrap_or_else(|| default_block_size(range));
        let faults = [
            block_size_fault(range, length).map(|message| Problem::new("blockSize", message)),
            subnet_fault(range, length, subnet).map(|message| Problem::new("subnet", message)),
            gateway_fault(subnet, gateway).map(|message| Problem::new("gateway", message)),
        ];
        faults.into_iter().flatten().for_each(&mut found);
        match Grid::new(range, length) {
            Some(grid) if problems.is_empty() => Ok(Self { grid, subnet, gateway, divide: config.divide }),
            _ => Err(problems),
        }
    }

    /// The one pool: what of the range lies in the subnet.
    pub(crate) fn pool(&self) -> Pool {
        let range = self.grid.range();
        let inner = self.inner();
        let (mut first, mut last) = (inner.network(), inner.broadcast());
        if self.subnet != range && inner == range {
            // The subnet's own two addresses are the host's business; the range's two are ours.
            first = step(first, 1);
            last = if range.addr().is_ipv4() { step(last, -1) } else { last };
        }
        let inside = IpRange::new(first, last).and_then(|inside| PoolRange::new(self.subnet, inside));
        let whole = inside.unwrap_or_else(|| PoolRange::of(self.subnet));
        Pool::new(range.to_string()).range(whole.with_gateway(self.gateway))
    }

    /// The share of one of so many members: its blocks on the grid, from the first to the one behind the last. None if
    /// there are fewer blocks than members and this one goes without.
    pub(crate) fn share(&self, members: usize, index: usize) -> Option<(u128, u128)> {
        let inner = self.inner();
        let begin = self.grid.index_of(inner.network())?;
        let blocks = Grid::new(inner, self.grid.block_length())?.block_count();
        let (from, to) = division::share(self.divide, blocks, members, index);
        (from < to).then_some((begin + from, begin + to))
    }

    /// The smaller of range and subnet: addresses come from it, and it is what is divided.
    pub(crate) fn inner(&self) -> IpNet {
        if self.grid.range().contains(&self.subnet) { self.subnet } else { self.grid.range() }
    }
}

fn network(key: &str, text: &str) -> Result<IpNet, Problem> {
    let fault = |message: String| Problem::new(key, message);
    let net: IpNet = text.parse().map_err(|_| {
        fault(format!("invalid network {text:?}: use an address and a prefix length, such as \"10.32.0.0/12\""))
    })?;
    if net != net.trunc() {
        return Err(fault(format!("{net} has host bits set; the network is {}", net.trunc())));
    }
    if net.max_prefix_len() - net.prefix_len() < 2 {
        return Err(fault(format!("{net} is too small to allocate from; it needs four addresses at least")));
    }
    Ok(net)
}

fn address(key: &str, text: &str) -> Result<IpAddr, Problem> {
    let fault = |_| Problem::new(key, format!("invalid IP address {text:?}: use one such as 10.32.0.1"));
    text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(fault)
}

/// A block of 256 IPv4 addresses or 65,536 IPv6 addresses, smaller where the range is small, but of four at least.
fn default_block_size(range: IpNet) -> u8 {
    let (usual, longest) = if range.addr().is_ipv4() { (24, 30) } else { (112, 126) };
    (range.prefix_len().saturating_add(FEWEST_BLOCKS)).clamp(usual, longest)
}

fn block_size_fault(range: IpNet, block_length: u8) -> Option<String> {
    let (shortest, longest) = (range.prefix_len(), range.max_prefix_len());
    if block_length > longest {
        return Some(format!(
            "a block of {range} cannot be a /{block_length}; choose a prefix length from {shortest} to {longest}"
        ));
    }
    let larger = block_length < shortest;
    larger.then(|| {
        format!(
            "a /{block_length} is larger than the range {range}; choose a prefix length from {shortest} to {longest}, \
             long enough for several blocks per node"
        )
    })
}

fn subnet_fault(range: IpNet, block_length: u8, subnet: IpNet) -> Option<String> {
    if !range.contains(&subnet) && !subnet.contains(&range) {
        return Some(format!("{subnet} has no address in common with the range {range}; nothing could be allocated"));
    }
    // A block larger than the range itself is `blockSize`'s fault alone.
    let smaller = subnet.prefix_len() > block_length && block_length >= range.prefix_len();
    smaller.then(|| {
        format!(
            "{subnet} is smaller than a block of the range (/{block_length}); make it larger, or `blockSize` longer"
        )
    })
}

fn gateway_fault(subnet: IpNet, gateway: Option<IpAddr>) -> Option<String> {
    let gateway = gateway.filter(|gateway| gateway.is_ipv4() != subnet.addr().is_ipv4())?;
    Some(format!("{gateway} must be of the same address family as {subnet}"))
}

/// The address one above or below; only called within a network of four addresses or more.
fn step(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add_signed(by.into())).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add_signed(by.into())).into(),
    }
}
