//! Pools: where a network's addresses lie, as its policy declares them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::{Family, IpRange};
use crate::ranges::RangeSet;

/// Which of a prefix's own two addresses may be handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    /// The network's own address, because the configuration names it.
    pub network: bool,
    /// The broadcast address, because the configuration names it.
    pub broadcast: bool,
}

/// A run of addresses of one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRange {
    /// The network's prefix, host bits zero.
    pub prefix: IpNet,
    /// What may be handed out of it; lies within the prefix.
    pub range: IpRange,
    /// Never handed out; may lie outside of the prefix.
    pub gateway: Option<IpAddr>,
    pub edges: Edges,
    /// Whether it gives out nothing new while its leases live.
    pub draining: bool,
}

impl PoolRange {
    /// The network and broadcast address, as far as this range does not open them. IPv6 knows no broadcast; its network address is the
    /// subnet-router anycast address (RFC 4291, 2.6.1). Prefixes of one or two addresses reserve none (RFC 3021, 6164).
    pub fn reserved_edges(&self) -> Vec<IpAddr> {
        let free_bits = self.prefix.max_prefix_len() - self.prefix.prefix_len();
        if free_bits < 2 {
            return Vec::new();
        }
        let mut reserved = match self.prefix {
            IpNet::V4(net) => vec![net.network().into(), net.broadcast().into()],
            IpNet::V6(net) => vec![net.network().into()],
        };
        reserved.retain(|edge| !self.opened_edges().contains(edge));
        reserved
    }

    /// What the configuration names. An edge that it does not name stays closed.
    fn opened_edges(&self) -> Vec<IpAddr> {
        let network = self.edges.network.then(|| self.prefix.network());
        let broadcast = self.edges.broadcast.then(|| self.prefix.broadcast());
        network.into_iter().chain(broadcast).collect()
    }
}

/// One set of ranges from which a container gets at most one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// For messages.
    pub name: String,
    /// In the policy's order.
    pub ranges: Vec<PoolRange>,
}

/// A declaration of pools that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// No pool, or a pool without a range.
    #[error("it declares {what}")]
    Empty {
        /// "no pool", or which pool is empty.
        what: String,
    },
    #[error("its pool {pool} has the range {range}, which is not within {prefix}")]
    OutsidePrefix { pool: String, range: IpRange, prefix: IpNet },
    #[error("its ranges {first} and {second} overlap")]
    Overlap { first: IpRange, second: IpRange },
    #[error("it declares {count} ranges; {max} is the most")]
    TooMany { count: usize, max: usize },
}

/// The most ranges a policy may declare.
pub const MAX_RANGES: usize = 4096;

/// All pools of a network: checked, with fast lookup.
#[derive(Debug, Clone)]
pub struct Pools {
    in_order: Vec<Pool>,
    /// (range, pool index, range index), in address order, disjoint.
    sorted: Vec<(IpRange, usize, usize)>,
    /// Network, broadcast and gateway addresses, in order.
    unusable: Vec<IpAddr>,
    gateways: Vec<IpAddr>,
    /// What the policy declared, where [`Pools::within`] left less of it.
    declared: Option<RangeSet>,
}

impl Pools {
    /// Checks a policy's declaration.
    ///
    /// # Errors
    /// [`PoolError`].
    pub fn new(pools: Vec<Pool>) -> Result<Self, PoolError> {
        if pools.is_empty() {
            return Err(PoolError::Empty { what: "no pool".into() });
        }
        if let Some(pool) = pools.iter().find(|pool| pool.ranges.is_empty()) {
            return Err(PoolError::Empty { what: format!("the pool {} without a range", pool.name) });
        }
        let count = pools.iter().map(|pool| pool.ranges.len()).sum();
        if count > MAX_RANGES {
            return Err(PoolError::TooMany { count, max: MAX_RANGES });
        }
        for pool in &pools {
            for part in &pool.ranges {
                if !IpRange::from(part.prefix).covers(&part.range) {
                    return Err(PoolError::OutsidePrefix {
                        pool: pool.name.clone(),
                        range: part.range,
                        prefix: part.prefix,
                    });
                }
            }
        }
        let sorted = sorted_disjoint(&pools)?;
        let parts = || pools.iter().flat_map(|pool| &pool.ranges);
        // Another range of the same network may open an edge that this one does not name.
        let opened: BTreeSet<IpAddr> = parts().flat_map(PoolRange::opened_edges).collect();
        let mut unusable: Vec<IpAddr> = parts()
            .flat_map(|part| {
                let edges = part.reserved_edges().into_iter().filter(|edge| !opened.contains(edge));
                edges.chain(part.gateway)
            })
            .collect();
        unusable.sort_unstable();
        unusable.dedup();
        let gateways = pools.iter().flat_map(|pool| &pool.ranges).filter_map(|part| part.gateway).collect();
        Ok(Self { in_order: pools, sorted, unusable, gateways, declared: None })
    }

    /// What lies in a set of addresses, for example in the blocks that a member of a cluster holds. Prefixes, gateways
    /// and unusable addresses stay what they are; a pool of which nothing is left stays, without a range.
    #[must_use]
    pub fn within(&self, set: &RangeSet) -> Self {
        let clipped = |part: &PoolRange| {
            let (rest, whole) = (part.clone(), part.range);
            set.common(whole).map(move |range| PoolRange { range, ..rest.clone() }).collect::<Vec<_>>()
        };
        let pool =
            |pool: &Pool| Pool { name: pool.name.clone(), ranges: pool.ranges.iter().flat_map(clipped).collect() };
        let in_order: Vec<Pool> = self.in_order.iter().map(pool).collect();
        let sorted = sorted(&in_order);
        let declared = self.declared.clone().unwrap_or_else(|| RangeSet::new(self.ranges().collect()));
        let (unusable, gateways) = (self.unusable.clone(), self.gateways.clone());
        Self { in_order, sorted, unusable, gateways, declared: Some(declared) }
    }

    /// Whether the policy declared this address, but [`Pools::within`] left it out.
    pub fn left_out(&self, address: IpAddr) -> bool {
        let declared = self.declared.as_ref().is_some_and(|declared| declared.holding(address).is_some());
        declared && self.locate(address).is_none()
    }

    /// In the policy's order.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.in_order.iter()
    }

    /// The pool and range an address lies in.
    pub fn locate(&self, address: IpAddr) -> Option<(&Pool, &PoolRange)> {
        let after = self.sorted.partition_point(|(range, ..)| range.first() <= address);
        let (range, pool, part) = self.sorted.get(after.checked_sub(1)?)?;
        let pool = &self.in_order[*pool];
        range.contains(address).then(|| (pool, &pool.ranges[*part]))
    }

    /// The number of the pool an address lies in, in the policy's order.
    pub fn number_of(&self, address: IpAddr) -> Option<u32> {
        let (pool, _) = self.locate(address)?;
        self.in_order.iter().position(|other| std::ptr::eq(pool, other)).and_then(|at| u32::try_from(at).ok())
    }

    /// Whether the address is a network, broadcast or gateway address of a pool.
    pub fn is_unusable(&self, address: IpAddr) -> bool {
        self.unusable.binary_search(&address).is_ok()
    }

    pub fn declares_gateway(&self, gateway: IpAddr) -> bool {
        self.gateways.contains(&gateway)
    }

    /// Whether the address lies in a range that gives out nothing new.
    pub fn is_draining(&self, address: IpAddr) -> bool {
        self.locate(address).is_some_and(|(_, part)| part.draining)
    }

    /// The ranges that give out addresses, in address order, disjoint.
    pub fn open_ranges(&self) -> impl Iterator<Item = IpRange> {
        self.sorted.iter().filter(|entry| self.is_open(entry)).map(|(range, ..)| *range)
    }

    fn is_open(&self, (_, pool, part): &(IpRange, usize, usize)) -> bool {
        !self.in_order[*pool].ranges[*part].draining
    }

    /// The pools' ranges in address order, disjoint.
    pub fn ranges(&self) -> impl Iterator<Item = IpRange> {
        self.sorted.iter().map(|(range, ..)| *range)
    }

    /// Those that give out addresses and have some in common with this one, found without a look at the others.
    pub fn open_ranges_touching(&self, within: IpRange) -> impl Iterator<Item = IpRange> {
        let from = self.sorted.partition_point(|(range, ..)| range.last() < within.first());
        let upper = self.sorted.partition_point(|(range, ..)| range.first() <= within.last());
        self.sorted[from..upper.max(from)].iter().filter(|entry| self.is_open(entry)).map(|(range, ..)| *range)
    }

    /// The prefixes that the ranges lie in, each once, in the policy's order.
    pub fn networks(&self) -> Vec<IpNet> {
        let mut networks = Vec::new();
        for part in self.in_order.iter().flat_map(|pool| &pool.ranges) {
            if !networks.contains(&part.prefix) {
                networks.push(part.prefix);
            }
        }
        networks
    }

    /// Network, broadcast and gateway addresses within a range, in order.
    pub fn unusable_within(&self, within: IpRange) -> &[IpAddr] {
        let from = self.unusable.partition_point(|address| *address < within.first());
        let to = self.unusable.partition_point(|address| *address <= within.last());
        &self.unusable[from..to.max(from)]
    }

    /// What of a range is neither excluded nor unusable, in address order.
    pub fn usable_within(&self, within: IpRange, excluded: &RangeSet) -> Vec<IpRange> {
        let unusable = RangeSet::new(self.unusable_within(within).iter().copied().map(IpRange::single).collect());
        excluded.without(within).into_iter().flat_map(|range| unusable.without(range)).collect()
    }

    /// The families of the pools, for messages.
    pub fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = self.ranges().map(|range| range.family()).collect();
        families.sort_unstable();
        families.dedup();
        families
    }
}

fn sorted(pools: &[Pool]) -> Vec<(IpRange, usize, usize)> {
    let parts = |(p, pool): (usize, &Pool)| {
        pool.ranges.iter().enumerate().map(|(r, part)| (part.range, p, r)).collect::<Vec<_>>()
    };
    let mut sorted: Vec<_> = pools.iter().enumerate().flat_map(parts).collect();
    sorted.sort_unstable();
    sorted
}

fn sorted_disjoint(pools: &[Pool]) -> Result<Vec<(IpRange, usize, usize)>, PoolError> {
    let sorted = sorted(pools);
    match sorted.windows(2).find(|pair| pair[0].0.intersection(&pair[1].0).is_some()) {
        Some(pair) => Err(PoolError::Overlap { first: pair[0].0, second: pair[1].0 }),
        None => Ok(sorted),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(prefix: &str, range: &str, gateway: Option<&str>) -> PoolRange {
        PoolRange {
            prefix: prefix.parse().unwrap(),
            range: range.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            edges: Edges::default(),
            draining: false,
        }
    }

    fn pools() -> Pools {
        let own = |name: &str, ranges| Pool { name: name.to_owned(), ranges };
        let four = own(
            "four",
            vec![part("10.1.0.0/24", "10.1.0.0/24", Some("10.1.0.1")), part("10.3.0.0/24", "10.3.0.9", None)],
        );
        let six = own("six", vec![part("fd00::/64", "fd00::/64", None)]);
        Pools::new(vec![four, six]).unwrap()
    }

    fn blocks(texts: &[&str]) -> RangeSet {
        RangeSet::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn what_lies_in_the_blocks_keeps_its_prefix_gateway_and_reserved_addresses() {
        let held = pools().within(&blocks(&["10.1.0.16/28", "10.1.0.240/28", "fd00::/112", "192.0.2.0/24"]));
        let texts: Vec<String> = held.ranges().map(|range| range.to_string()).collect();
        assert_eq!(texts, ["10.1.0.16-10.1.0.31", "10.1.0.240-10.1.0.255", "fd00::-fd00::ffff"]);
        let (pool, part) = held.locate("10.1.0.17".parse().unwrap()).unwrap();
        assert_eq!((pool.name.as_str(), part.prefix.to_string().as_str()), ("four", "10.1.0.0/24"));
        assert_eq!(part.gateway, Some("10.1.0.1".parse().unwrap()));
        for reserved in ["10.1.0.0", "10.1.0.1", "10.1.0.255", "fd00::"] {
            assert!(held.is_unusable(reserved.parse().unwrap()), "{reserved}");
        }
        assert!(!held.is_unusable("10.1.0.16".parse().unwrap()), "a block's own edges are like others");
        assert!(held.left_out("10.3.0.9".parse().unwrap()) && held.left_out("10.1.0.32".parse().unwrap()));
        assert!(!held.left_out("10.1.0.17".parse().unwrap()) && !held.left_out("192.0.2.1".parse().unwrap()));
        let less = held.within(&blocks(&["10.1.0.16/29"]));
        assert_eq!(less.ranges().count(), 1);
        assert!(less.left_out("10.1.0.24".parse().unwrap()), "what was declared at first still counts");
    }

    #[test]
    fn ranges_are_found_by_what_they_touch() {
        let touching = |within: &str| -> Vec<String> {
            pools().open_ranges_touching(within.parse().unwrap()).map(|range| range.to_string()).collect()
        };
        assert_eq!(touching("10.1.0.7"), ["10.1.0.0-10.1.0.255"]);
        assert_eq!(touching("10.0.0.0/8"), ["10.1.0.0-10.1.0.255", "10.3.0.9"]);
        assert_eq!(touching("10.1.0.255-10.3.0.8"), ["10.1.0.0-10.1.0.255"]);
        assert_eq!(touching("10.2.0.0/16"), [""; 0]);
        assert_eq!(touching("0.0.0.0/0").len(), 2);
        assert_eq!(touching("::/0"), ["fd00::-fd00::ffff:ffff:ffff:ffff"]);
    }

    #[test]
    fn naming_one_edge_opens_that_edge_alone() {
        let edges = |network, broadcast| {
            let part = PoolRange { edges: Edges { network, broadcast }, ..part("10.1.0.0/24", "10.1.0.0/24", None) };
            part.reserved_edges().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(edges(false, false), ["10.1.0.0", "10.1.0.255"]);
        assert_eq!(edges(true, false), ["10.1.0.255"]);
        assert_eq!(edges(false, true), ["10.1.0.0"]);
    }

    #[test]
    fn a_draining_range_is_in_its_pool_and_gives_out_nothing() {
        let open = part("10.1.0.0/24", "10.1.0.0-10.1.0.127", Some("10.1.0.1"));
        let drained = PoolRange { draining: true, ..part("10.1.0.0/24", "10.1.0.128-10.1.0.255", Some("10.1.0.9")) };
        let pools = Pools::new(vec![Pool { name: "p".into(), ranges: vec![drained, open] }]).unwrap();
        assert!(pools.is_draining("10.1.0.200".parse().unwrap()) && !pools.is_draining("10.1.0.2".parse().unwrap()));
        let open = pools.open_ranges_touching("10.0.0.0/8".parse().unwrap());
        assert_eq!(open.map(|range| range.to_string()).collect::<Vec<_>>(), ["10.1.0.0-10.1.0.127"]);
        assert!(pools.declares_gateway("10.1.0.9".parse().unwrap()), "its containers still have it");
    }

    #[test]
    fn without_blocks_every_pool_stays_and_holds_nothing() {
        let nothing = pools().within(&RangeSet::default());
        assert_eq!(
            nothing.iter().map(|pool| (pool.name.as_str(), pool.ranges.len())).collect::<Vec<_>>(),
            [("four", 0), ("six", 0)]
        );
        assert_eq!(nothing.locate("10.1.0.17".parse().unwrap()).map(|(pool, _)| &pool.name), None);
        assert!(nothing.left_out("10.1.0.17".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn an_address_is_in_a_pool_if_it_was_and_is_in_a_block(
            runs in prop::collection::vec((any::<u8>(), any::<u8>()), 0..6),
        ) {
            let at = |last: u8| IpAddr::from([10, 1, 0, last]);
            let range = |(one, other): &(u8, u8)| IpRange::new(at(*one.min(other)), at(*one.max(other))).unwrap();
            let set = RangeSet::new(runs.iter().map(range).collect());
            let (whole, held) = (pools(), pools().within(&set));
            for last in 0..=255 {
                let name = |pools: &Pools| pools.locate(at(last)).map(|(pool, _)| pool.name.clone());
                let expected = name(&whole).filter(|_| set.holding(at(last)).is_some());
                prop_assert_eq!(name(&held), expected);
                prop_assert_eq!(held.is_unusable(at(last)), whole.is_unusable(at(last)));
            }
        }
    }
}
