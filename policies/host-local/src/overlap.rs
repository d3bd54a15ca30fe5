//! Which ranges have addresses in common. Sorted first: 4,096 ranges have 8 million pairs, more than a policy may look at.

use std::collections::BinaryHeap;
use std::net::IpAddr;

use gingham_sdk::{Pool, PoolRange};

/// The first range of a set that overlaps with a later one, and the first of those.
pub(crate) fn of_ranges(ranges: &[PoolRange]) -> Option<(&PoolRange, &PoolRange)> {
    let first = first_involved(&ranges.iter().collect::<Vec<_>>())?;
    let one = &ranges[first];
    ranges[first + 1..].iter().find(|other| touch(one, other)).map(|other| (one, other))
}

/// The same of sets, each without overlaps of its own.
pub(crate) fn of_sets(pools: &[Pool]) -> Option<(usize, usize)> {
    let numbered =
        pools.iter().enumerate().flat_map(|(index, pool)| pool.ranges().iter().map(move |range| (index, range)));
    let (sets, ranges): (Vec<usize>, Vec<&PoolRange>) = numbered.unzip();
    let first = sets[first_involved(&ranges)?];
    let own: Vec<&PoolRange> = pools[first].ranges().iter().collect();
    let own: Vec<&PoolRange> = in_order(&own).into_iter().map(|index| own[index]).collect();
    let touched = |pool: &Pool| pool.ranges().iter().any(|range| touches_any(&own, range));
    let other = pools.iter().skip(first + 1).position(touched)?;
    Some((first, first + 1 + other))
}

fn touch(one: &PoolRange, other: &PoolRange) -> bool {
    one.range().overlaps(&other.range())
}

/// Whether one of these disjoint ranges, in order, overlaps with this one. All of IPv4 is below all of IPv6.
fn touches_any(sorted: &[&PoolRange], range: &PoolRange) -> bool {
    let after = sorted.partition_point(|own| own.range().first() <= range.range().last());
    after > 0 && touch(sorted[after - 1], range)
}

/// The indices of the ranges, the lowest first address first. By a heap: the code of the library's sort is 10 kB, and all
/// of a policy is loaded for each container.
fn in_order(ranges: &[&PoolRange]) -> Vec<usize> {
    let heap: BinaryHeap<(IpAddr, usize)> =
        ranges.iter().enumerate().map(|(index, it)| (it.range().first(), index)).collect();
    heap.into_sorted_vec().into_iter().map(|(_, index)| index).collect()
}

/// The lowest index of a range that overlaps with any other.
fn first_involved(ranges: &[&PoolRange]) -> Option<usize> {
    let mut involved = None;
    let mut highest: Option<usize> = None;
    for index in in_order(ranges) {
        if let Some(below) = highest.filter(|below| touch(ranges[*below], ranges[index])) {
            let lower = below.min(index);
            involved = Some(involved.map_or(lower, |known: usize| known.min(lower)));
        }
        let is_higher = highest.is_none_or(|below| ranges[below].range().last() < ranges[index].range().last());
        highest = if is_higher { Some(index) } else { highest };
    }
    involved
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use gingham_sdk::IpRange;

    use super::*;

    fn range(first: u32, last: u32) -> PoolRange {
        let at = |number: u32| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number));
        PoolRange::new("10.0.0.0/8".parse().unwrap(), IpRange::new(at(first), at(last)).unwrap()).unwrap()
    }

    fn pool(ranges: &[(u32, u32)]) -> Pool {
        ranges.iter().map(|(first, last)| range(*first, *last)).fold(Pool::new(""), Pool::range)
    }

    /// Numbers that look random, the same in each run.
    fn numbers() -> impl FnMut(u32) -> u32 {
        let mut state = 1_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from(state >> 33).unwrap() % below
        }
    }

    #[test]
    fn the_same_pair_is_found_as_by_looking_at_all_of_them() {
        let mut number = numbers();
        for _ in 0..3000 {
            let ranges: Vec<PoolRange> = (0..number(9))
                .map(|_| {
                    let first = number(60);
                    range(first, first + number(8))
                })
                .collect();
            let pairs = (0..ranges.len()).flat_map(|one| (one + 1..ranges.len()).map(move |other| (one, other)));
            let expected = pairs.into_iter().find(|(one, other)| touch(&ranges[*one], &ranges[*other]));
            let found = of_ranges(&ranges).map(|(one, other)| (one.range(), other.range()));
            let of = |(one, other): (usize, usize)| (ranges[one].range(), ranges[other].range());
            assert_eq!(found, expected.map(of), "{ranges:?}");
        }
    }

    #[test]
    fn sets_overlap_if_any_of_their_ranges_do() {
        let disjoint = [pool(&[(0, 9), (20, 29)]), pool(&[(10, 19)]), pool(&[(40, 49), (30, 39)])];
        assert_eq!(of_sets(&disjoint), None);
        let third = [pool(&[(0, 9)]), pool(&[(20, 29), (60, 69)]), pool(&[(40, 49)]), pool(&[(30, 39), (65, 65)])];
        assert_eq!(of_sets(&third), Some((1, 3)));
        let wide = [pool(&[(50, 59)]), pool(&[(0, 90)]), pool(&[(55, 56)])];
        assert_eq!(of_sets(&wide), Some((0, 1)));
    }
}
