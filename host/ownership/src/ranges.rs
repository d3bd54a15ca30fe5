//! Sets of addresses as ordered, disjoint ranges: what a configuration excludes.

use std::net::IpAddr;

use crate::address::{IpRange, predecessor, successor};

/// Disjoint ranges in address order, neighbours merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<IpRange>,
}

impl RangeSet {
    /// The union of any ranges.
    pub fn new(mut ranges: Vec<IpRange>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<IpRange> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if touches(last, &range) => {
                    if let Some(union) = IpRange::new(last.first(), last.last().max(range.last())) {
                        *last = union;
                    }
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// The range of the set that holds the address.
    pub fn holding(&self, address: IpAddr) -> Option<IpRange> {
        let after = self.ranges.partition_point(|range| range.first() <= address);
        self.ranges.get(after.checked_sub(1)?).copied().filter(|range| range.contains(address))
    }

    /// What is left of a range when the set is taken away.
    pub fn without(&self, range: IpRange) -> Vec<IpRange> {
        let mut left = Vec::new();
        let mut rest = Some(range);
        let from = self.ranges.partition_point(|hole| hole.last() < range.first());
        for hole in &self.ranges[from..] {
            let Some(open) = rest else { break };
            if hole.intersection(&open).is_none() {
                break;
            }
            let before = predecessor(hole.first()).and_then(|last| IpRange::new(open.first(), last));
            left.extend(before);
            rest = successor(hole.last()).and_then(|first| IpRange::new(first, open.last()));
        }
        left.extend(rest);
        left
    }

    /// What the set and a range have in common, in address order.
    pub fn common(&self, range: IpRange) -> impl Iterator<Item = IpRange> {
        let from = self.ranges.partition_point(|part| part.last() < range.first());
        self.ranges[from..].iter().map_while(move |part| part.intersection(&range))
    }

    /// In address order.
    pub fn iter(&self) -> impl Iterator<Item = IpRange> {
        self.ranges.iter().copied()
    }
}

fn touches(lower: &IpRange, upper: &IpRange) -> bool {
    lower.family() == upper.family() && successor(lower.last()).is_none_or(|next| upper.first() <= next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn range() -> impl Strategy<Value = IpRange> {
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| IpRange::new(address(a.min(b)), address(a.max(b))).unwrap())
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(parts in prop::collection::vec(range(), 0..8), whole in range()) {
            let set = RangeSet::new(parts.clone());
            let plain = |a: IpAddr| parts.iter().any(|part| part.contains(a));
            let left = set.without(whole);
            for last in 0..=255 {
                let a = address(last);
                prop_assert_eq!(set.holding(a).is_some(), plain(a));
                prop_assert_eq!(left.iter().any(|part| part.contains(a)), whole.contains(a) && !plain(a));
                prop_assert_eq!(set.common(whole).any(|part| part.contains(a)), whole.contains(a) && plain(a));
            }
            let ranges: Vec<_> = set.iter().collect();
            for pair in ranges.windows(2) {
                prop_assert!(successor(pair[0].last()).unwrap() < pair[1].first(), "neighbours are merged");
            }
        }
    }

    #[test]
    fn the_ends_of_the_address_space_hold() {
        let all =
            IpRange::new("::".parse().unwrap(), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap()).unwrap();
        let set = RangeSet::new(vec![IpRange::single(all.last()), IpRange::single(all.first())]);
        let left = set.without(all);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].first(), "::1".parse::<IpAddr>().unwrap());
        assert!(RangeSet::new(vec![all]).without(all).is_empty());
    }
}
