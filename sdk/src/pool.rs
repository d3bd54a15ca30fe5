//! Pools: sets of ranges from which a container gets at most one address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::leases::{self, AddressState};
use crate::{Assigned, IpRange, Refusal, Request};

/// A run of addresses within a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRange {
    prefix: IpNet,
    range: IpRange,
    gateway: Option<IpAddr>,
    allows_network_address: bool,
    allows_broadcast_address: bool,
    is_draining: bool,
}

impl PoolRange {
    /// The addresses of `range` within the network `prefix`, without a gateway. None if they do not lie in it.
    pub fn new(prefix: IpNet, range: IpRange) -> Option<Self> {
        let prefix = prefix.trunc();
        let inside = prefix.contains(&range.first()) && prefix.contains(&range.last());
        inside.then_some(Self {
            prefix,
            range,
            gateway: None,
            allows_network_address: false,
            allows_broadcast_address: false,
            is_draining: false,
        })
    }

    /// A whole network: all but its network and broadcast address; the gateway is the first of them.
    pub fn of(prefix: IpNet) -> Self {
        let prefix = prefix.trunc();
        // Prefixes of one or two addresses have none to spare for a gateway.
        let has_room = prefix.max_prefix_len() - prefix.prefix_len() >= 2;
        let gateway = if has_room { above(prefix.network()) } else { None };
        Self {
            prefix,
            range: prefix.into(),
            gateway,
            allows_network_address: false,
            allows_broadcast_address: false,
            is_draining: false,
        }
    }

    /// With this gateway: containers get it, and it is never handed out.
    #[must_use]
    pub fn with_gateway(self, gateway: Option<IpAddr>) -> Self {
        Self { gateway, ..self }
    }

    /// The network's own address may be handed out, because the configuration names it.
    #[must_use]
    pub fn allowing_network_address(self, allows: bool) -> Self {
        Self { allows_network_address: allows, ..self }
    }

    /// The broadcast address may be handed out, because the configuration names it.
    #[must_use]
    pub fn allowing_broadcast_address(self, allows: bool) -> Self {
        Self { allows_broadcast_address: allows, ..self }
    }

    /// Hands out nothing new, while its leases stay valid.
    #[must_use]
    pub fn draining(self, is_draining: bool) -> Self {
        Self { is_draining, ..self }
    }

    /// The network.
    pub fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// The addresses.
    pub fn range(&self) -> IpRange {
        self.range
    }

    /// The gateway.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// Whether the network's own address may be handed out.
    pub fn allows_network_address(&self) -> bool {
        self.allows_network_address
    }

    /// Whether the broadcast address may be handed out.
    pub fn allows_broadcast_address(&self) -> bool {
        self.allows_broadcast_address
    }

    /// Whether it hands out nothing new.
    pub fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.range.contains(address)
    }
}

fn above(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(v6) => u128::from(v6).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}

/// A set of ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    name: String,
    ranges: Vec<PoolRange>,
}

impl Pool {
    /// An empty pool; the name is for messages.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ranges: Vec::new() }
    }

    /// Adds a whole network.
    #[must_use]
    pub fn subnet(self, prefix: IpNet) -> Self {
        self.range(PoolRange::of(prefix))
    }

    /// Adds a range.
    #[must_use]
    pub fn range(mut self, range: PoolRange) -> Self {
        self.ranges.push(range);
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ranges, in the order of allocation.
    pub fn ranges(&self) -> &[PoolRange] {
        &self.ranges
    }

    /// The range an address lies in.
    pub fn find(&self, address: IpAddr) -> Option<&PoolRange> {
        self.ranges.iter().find(|range| range.contains(address))
    }

    /// The lowest free address of the first range that has one.
    pub fn first_free(&self) -> Option<IpAddr> {
        self.ranges.iter().find_map(|range| leases::next_free(range.range, None))
    }

    /// The first free address after `last` in the pool's order, from the start again behind its end; `last` itself is
    /// tried at the very end. Without `last`, or when it is not in the pool, the first free one.
    pub fn next_free_after(&self, last: Option<IpAddr>) -> Option<IpAddr> {
        let at = last.and_then(|last| self.ranges.iter().position(|range| range.contains(last)));
        let (Some(last), Some(at)) = (last, at) else { return self.first_free() };
        let here = self.ranges[at].range;
        let rest = || self.ranges[at + 1..].iter().chain(&self.ranges[..at]);
        leases::next_free(here, Some(last))
            .or_else(|| rest().find_map(|range| leases::next_free(range.range, None)))
            .or_else(|| leases::next_free(IpRange::new(here.first(), last)?, None))
    }

    /// The free addresses in the pool's order, found one by one.
    pub fn free(&self) -> impl Iterator<Item = IpAddr> {
        self.ranges.iter().flat_map(|range| leases::free(range.range))
    }

    /// An answer with this address, with the prefix length and gateway of its range. None if it is not in the pool.
    pub fn assign(&self, address: IpAddr) -> Option<Assigned> {
        let range = self.find(address)?;
        let address = IpNet::new(address, range.prefix.prefix_len()).ok()?;
        Some(Assigned { address, gateway: range.gateway })
    }

    /// The address of this pool that the runtime asked for by name; without one, the lowest free address.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if the requested address is not free, [`Refusal::Exhausted`] if none is.
    pub fn take(&self, request: &Request) -> Result<Assigned, Refusal> {
        let chosen = match self.requested(request)? {
            Some(address) => Some(address),
            None => self.first_free(),
        };
        chosen.and_then(|address| self.assign(address)).ok_or_else(|| self.exhausted())
    }

    /// The first address of this pool that the runtime asked for by name, if it is free.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] if it is not.
    pub fn requested(&self, request: &Request) -> Result<Option<IpAddr>, Refusal> {
        let mut wanted = request.requested_addresses().into_iter();
        let Some(address) = wanted.find(|address| self.find(*address).is_some()) else { return Ok(None) };
        match leases::state(address) {
            AddressState::Free => Ok(Some(address)),
            state => {
                Err(Refusal::Unavailable(format!("requested IP address {address} is not available: it is {state}")))
            }
        }
    }

    /// The refusal for an empty pool.
    pub fn exhausted(&self) -> Refusal {
        let ranges: Vec<String> = self.ranges.iter().map(|range| range.range.to_string()).collect();
        Refusal::Exhausted(format!("no IP addresses available in pool {}: {}", self.name, ranges.join(",")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(prefix: &str) -> (String, String, Option<String>) {
        let range = PoolRange::of(prefix.parse().unwrap());
        let (first, last) = (range.range.first(), range.range.last());
        (first.to_string(), last.to_string(), range.gateway.map(|gateway| gateway.to_string()))
    }

    #[test]
    fn the_gateway_is_the_first_address_where_there_is_room_for_one() {
        let texts =
            |first: &str, last: &str, gateway: Option<&str>| (first.into(), last.into(), gateway.map(Into::into));
        assert_eq!(of("10.1.0.0/24"), texts("10.1.0.0", "10.1.0.255", Some("10.1.0.1")));
        assert_eq!(of("10.1.0.77/24"), of("10.1.0.0/24"), "host bits mean nothing");
        assert_eq!(of("10.1.0.0/30"), texts("10.1.0.0", "10.1.0.3", Some("10.1.0.1")));
        assert_eq!(of("10.1.0.0/31"), texts("10.1.0.0", "10.1.0.1", None));
        assert_eq!(of("10.1.0.7/32"), texts("10.1.0.7", "10.1.0.7", None));
        assert_eq!(of("fd00::/64"), texts("fd00::", "fd00::ffff:ffff:ffff:ffff", Some("fd00::1")));
        assert_eq!(of("::/0").2.as_deref(), Some("::1"));
    }

    #[test]
    fn an_address_is_assigned_with_its_own_ranges_prefix_and_gateway() {
        let pool = Pool::new("p").subnet("10.1.0.0/24".parse().unwrap()).subnet("10.2.0.0/16".parse().unwrap());
        let assigned = pool.assign("10.2.3.4".parse().unwrap()).unwrap();
        assert_eq!(assigned.address.to_string(), "10.2.3.4/16");
        assert_eq!(assigned.gateway, Some("10.2.0.1".parse().unwrap()));
        assert_eq!(pool.assign("10.3.0.1".parse().unwrap()), None);
        assert_eq!(pool.assign("::1".parse().unwrap()), None);
    }

    #[test]
    #[should_panic(expected = "this calls the host: use gingham_testing")]
    fn a_native_test_is_told_where_the_host_is() {
        Pool::new("p").subnet("10.1.0.0/24".parse().unwrap()).first_free();
    }
}
