//! The pools of a configuration, counted.

use gingham_engine::pool::{Pool, Pools};
use gingham_engine::ranges::RangeSet;
use serde::Serialize;

use crate::table::count;

/// A pool.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolFacts {
    name: String,
    ranges: Vec<RangeFacts>,
    /// How many addresses can be handed out; `u64::MAX` stands for that many or more.
    addresses: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RangeFacts {
    prefix: String,
    first: String,
    last: String,
    gateway: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    draining: bool,
}

/// All pools, in the policy's order.
pub(crate) fn facts(pools: &Pools, exclude: &RangeSet) -> Vec<PoolFacts> {
    pools.iter().map(|pool| of(pool, pools, exclude)).collect()
}

fn of(pool: &Pool, pools: &Pools, exclude: &RangeSet) -> PoolFacts {
    let mut addresses: u128 = 0;
    for part in pool.ranges.iter().filter(|part| !part.draining).flat_map(|part| exclude.without(part.range)) {
        let reserved = pools.unusable_within(part).len() as u128;
        addresses = addresses.saturating_add(part.len() - reserved);
    }
    let range = |part: &gingham_engine::pool::PoolRange| RangeFacts {
        prefix: part.prefix.to_string(),
        first: part.range.first().to_string(),
        last: part.range.last().to_string(),
        gateway: part.gateway.map(|gateway| gateway.to_string()),
        draining: part.draining,
    };
    PoolFacts {
        name: pool.name.clone(),
        ranges: pool.ranges.iter().map(range).collect(),
        addresses: u64::try_from(addresses).unwrap_or(u64::MAX),
    }
}

impl PoolFacts {
    pub(crate) fn in_words(&self) -> String {
        let range = |part: &RangeFacts| {
            let gateway = part.gateway.as_ref().map(|gateway| format!(", gateway {gateway}")).unwrap_or_default();
            format!("{}-{} of {}{gateway}", part.first, part.last, part.prefix)
        };
        let ranges = self.ranges.iter().map(range).collect::<Vec<_>>().join("; ");
        format!("{}: {ranges}: {}", self.name, addresses(self.addresses))
    }
}

fn addresses(number: u64) -> String {
    format!("{} address{}", count(number), if number == 1 { "" } else { "es" })
}

#[cfg(test)]
mod tests {
    use gingham_engine::pool::{Edges, PoolRange};

    use super::*;

    #[test]
    fn what_nobody_gets_is_not_counted() {
        let part = |prefix: &str, range: &str, gateway: &str| PoolRange {
            prefix: prefix.parse().unwrap(),
            range: range.parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
            edges: Edges::default(),
            draining: false,
        };
        let pool = Pool {
            name: "a".to_owned(),
            ranges: vec![
                part("10.0.0.0/28", "10.0.0.0/28", "10.0.0.1"),
                part("10.1.0.0/24", "10.1.0.10-10.1.0.19", "10.1.0.1"),
            ],
        };
        let wide = Pool { name: "b".to_owned(), ranges: vec![part("fd00::/48", "fd00::/48", "fd00::1")] };
        let pools = Pools::new(vec![pool, wide]).unwrap();
        let exclude = RangeSet::new(vec!["10.0.0.0/30".parse().unwrap(), "10.1.0.19".parse().unwrap()]);
        let facts = facts(&pools, &exclude);
        // 16 without four excluded and the broadcast address, and ten without one.
        assert_eq!(facts[0].addresses, 11 + 9);
        assert_eq!(
            facts[0].in_words(),
            "a: 10.0.0.0-10.0.0.15 of 10.0.0.0/28, gateway 10.0.0.1; 10.1.0.10-10.1.0.19 of 10.1.0.0/24, gateway 10.1.0.1: 20 addresses"
        );
        assert!(facts[1].in_words().ends_with(": 2^64 or more addresses"));
    }
}
