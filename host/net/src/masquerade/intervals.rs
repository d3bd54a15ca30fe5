//! Prefixes as the intervals that a set of the kernel holds: sorted, none touches the next.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::nftables::set::{Element, Family};

/// The addresses of some prefixes of one family, as first and last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intervals {
    family: Family,
    merged: Vec<(u128, u128)>,
}

impl Intervals {
    /// Of those prefixes that are of the family.
    pub(super) fn of(family: Family, prefixes: &[IpNet]) -> Self {
        let ours = prefixes.iter().filter(|prefix| Family::of(prefix.addr()) == family);
        Self::merge(family, ours.map(|prefix| (number(prefix.network()), number(prefix.broadcast()))).collect())
    }

    /// As a set shows them. `nft` begins each set with the end of an interval that has no beginning.
    pub(super) fn shown(family: Family, elements: &[Element]) -> Self {
        let mut ends: Vec<(u128, bool)> =
            elements.iter().map(|element| (number(element.key), !element.ends_interval)).collect();
        ends.sort_unstable();
        let (mut intervals, mut first) = (Vec::new(), None);
        for (key, begins) in ends {
            if begins {
                first.get_or_insert(key);
            } else if let Some(first) = first.take() {
                intervals.push((first, key.saturating_sub(1)));
            }
        }
        intervals.extend(first.map(|first| (first, last_of(family))));
        Self::merge(family, intervals)
    }

    fn merge(family: Family, mut intervals: Vec<(u128, u128)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (first, last) in intervals {
            match merged.last_mut() {
                Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self { family, merged }
    }

    /// Those of both.
    pub(super) fn with(&self, other: &Self) -> Self {
        Self::merge(self.family, [self.merged.as_slice(), &other.merged].concat())
    }

    /// Whether all of the other's addresses are among these.
    pub(super) fn cover(&self, other: &Self) -> bool {
        self.with(other) == *self
    }

    /// The elements of a set that holds them.
    pub(super) fn elements(&self) -> Vec<Element> {
        let ends = self.merged.iter().flat_map(|(first, last)| {
            let end = (*last < last_of(self.family)).then(|| (last + 1, true));
            [Some((*first, false)), end].into_iter().flatten()
        });
        ends.map(|(key, ends_interval)| Element { key: address(self.family, key), ends_interval }).collect()
    }
}

fn last_of(family: Family) -> u128 {
    match family {
        Family::V4 => u32::MAX.into(),
        Family::V6 => u128::MAX,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        Family::V6 => Ipv6Addr::from_bits(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(prefixes: &[&str]) -> Intervals {
        let prefixes: Vec<IpNet> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
        Intervals::of(Family::V4, &prefixes)
    }

    fn shown(elements: &[Element]) -> String {
        let one = |element: &Element| format!("{}{}", element.key, if element.ends_interval { " end" } else { "" });
        elements.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_touches_or_overlaps_is_one_interval() {
        let merged = of(&["10.0.2.0/24", "10.0.1.0/24", "10.0.1.128/25", "10.9.0.0/16", "fd00::/8"]);
        assert_eq!(shown(&merged.elements()), "10.0.1.0, 10.0.3.0 end, 10.9.0.0, 10.10.0.0 end");
        assert!(merged.cover(&of(&["10.0.2.0/25", "10.9.9.9/32"])) && !merged.cover(&of(&["10.0.0.0/22"])));
    }

    #[test]
    fn the_last_interval_of_all_has_no_end() {
        assert_eq!(shown(&of(&["0.0.0.0/0", "10.0.0.0/8"]).elements()), "0.0.0.0");
        let all = Intervals::of(Family::V6, &["::/0".parse().unwrap()]);
        assert_eq!(shown(&all.elements()), "::");
    }

    proptest! {
        #[test]
        fn what_a_set_shows_is_what_was_put_there(prefixes in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..8)) {
            let prefixes: Vec<IpNet> =
                prefixes.into_iter().map(|(bits, length)| IpNet::new(Ipv4Addr::from_bits(bits).into(), length).unwrap()).collect();
            let intervals = Intervals::of(Family::V4, &prefixes);
            let mut elements = intervals.elements();
            elements.reverse();
            prop_assert_eq!(Intervals::shown(Family::V4, &elements), intervals.clone());
            prop_assert!(prefixes.iter().all(|one| intervals.cover(&Intervals::of(Family::V4, &[*one]))));
        }
    }
}
