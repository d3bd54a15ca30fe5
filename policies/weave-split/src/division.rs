//! The arithmetic of shares: which of `blocks` equal blocks are meant for which of `members` members.

use crate::config::Divide;

/// The blocks of the member with this index, from the first to the one behind the last. Empty if there are more members
/// than blocks and this one goes without.
pub fn share(divide: Divide, blocks: u128, members: usize, index: usize) -> (u128, u128) {
    match divide {
        Divide::Exact => exact(blocks, members as u128, index as u128),
        Divide::Cidr => halves(blocks, members, index),
    }
}

/// Every member gets the `members`th part; the remainder goes to the first ones, a block each.
fn exact(blocks: u128, members: u128, index: u128) -> (u128, u128) {
    let (each, left) = (blocks / members.max(1), blocks % members.max(1));
    let begin = |index: u128| index * each + index.min(left);
    (begin(index), begin(index + 1))
}

/// Weave Net's recursive halving, since its version 1.6: half of the range for half of the members (rounded down), the
/// rest for the others. A single block is not halved: the first member gets it, the others nothing.
fn halves(blocks: u128, mut members: usize, mut index: usize) -> (u128, u128) {
    let (mut from, mut to) = (0, blocks);
    while members > 1 && to - from > 1 {
        let (middle, first_half) = (from + (to - from) / 2, members / 2);
        if index < first_half {
            (to, members) = (middle, first_half);
        } else {
            (from, members, index) = (middle, members - first_half, index - first_half);
        }
    }
    if index == 0 { (from, to) } else { (to, to) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sizes of the default range's shares, in addresses.
    fn sizes(divide: Divide, members: usize) -> Vec<u128> {
        let size = |index| {
            let (from, to) = share(divide, 1 << 20, members, index);
            to - from
        };
        (0..members).map(size).collect()
    }

    #[test]
    fn exact_shares_of_the_default_range_are_those_of_weave_s_first_versions() {
        assert_eq!(sizes(Divide::Exact, 1), [1_048_576]);
        assert_eq!(sizes(Divide::Exact, 2), [524_288; 2]);
        assert_eq!(sizes(Divide::Exact, 3), [349_526, 349_525, 349_525]);
        assert_eq!(sizes(Divide::Exact, 4), [262_144; 4]);
        assert_eq!(sizes(Divide::Exact, 5), [209_716, 209_715, 209_715, 209_715, 209_715]);
        let count = |members, size| sizes(Divide::Exact, members).into_iter().filter(|share| *share == size).count();
        assert_eq!((count(6, 174_763), count(6, 174_762)), (4, 2));
        assert_eq!((count(10, 104_858), count(10, 104_857)), (6, 4));
        assert_eq!((count(100, 10_486), count(100, 10_485)), (76, 24));
        assert_eq!((count(1000, 1049), count(1000, 1048)), (576, 424));
        assert_eq!(count(5000, 210) + count(5000, 209), 5000);
    }

    #[test]
    fn halved_shares_of_the_default_range_are_those_of_weave() {
        assert_eq!(sizes(Divide::Cidr, 2), [524_288; 2]);
        assert_eq!(sizes(Divide::Cidr, 3), [524_288, 262_144, 262_144]);
        assert_eq!(sizes(Divide::Cidr, 4), [262_144; 4]);
        assert_eq!(sizes(Divide::Cidr, 5), [262_144, 262_144, 262_144, 131_072, 131_072]);
        assert_eq!(sizes(Divide::Cidr, 6), [262_144, 131_072, 131_072, 262_144, 131_072, 131_072]);
        let count = |members, size| sizes(Divide::Cidr, members).into_iter().filter(|share| *share == size).count();
        assert_eq!((count(10, 131_072), count(10, 65_536)), (6, 4));
        assert_eq!((count(100, 16_384), count(100, 8192)), (28, 72));
        assert_eq!((count(1000, 2048), count(1000, 1024)), (24, 976));
    }

    #[test]
    fn block_by_block_as_the_default_range_is_claimed() {
        let blocks =
            |members| (0..members).map(move |index| share(Divide::Exact, 4096, members, index)).map(|(a, b)| b - a);
        assert_eq!(blocks(3).collect::<Vec<_>>(), [1366, 1365, 1365]);
        assert_eq!((blocks(10).max(), blocks(10).min()), (Some(410), Some(409)));
        assert_eq!((blocks(5000).max(), blocks(5000).min()), (Some(1), Some(0)));
    }

    proptest! {
        #[test]
        fn shares_follow_upon_each_other_and_cover_all(
            divide in prop_oneof![Just(Divide::Exact), Just(Divide::Cidr)],
            blocks in 1..5000_u128,
            members in 1..1200_usize,
        ) {
            let shares: Vec<_> = (0..members).map(|index| share(divide, blocks, members, index)).collect();
            let mut at = 0;
            for (from, to) in shares.iter().filter(|(from, to)| from < to) {
                prop_assert_eq!(*from, at, "a gap or an overlap");
                at = *to;
            }
            prop_assert_eq!(at, blocks);
        }

        #[test]
        fn exact_shares_differ_by_one_block_at_most(blocks in 1..=u128::MAX >> 1, members in 1..1200_usize) {
            let sizes: Vec<_> = (0..members).map(|index| share(Divide::Exact, blocks, members, index)).map(|(a, b)| b - a).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            prop_assert!(sizes.is_sorted_by(|one, other| one >= other), "the larger ones come first");
        }

        #[test]
        fn halved_shares_of_a_prefix_are_prefixes_and_differ_by_half_at_most(bits in 0..20_u32, members in 1..1200_usize) {
            let shares: Vec<_> = (0..members).map(|index| share(Divide::Cidr, 1 << bits, members, index)).collect();
            let sizes: Vec<u128> = shares.iter().map(|(from, to)| to - from).filter(|size| *size > 0).collect();
            for (from, to) in shares.into_iter().filter(|(from, to)| from < to) {
                prop_assert!((to - from).is_power_of_two() && from % (to - from) == 0);
            }
            prop_assert!(*sizes.iter().max().unwrap() <= 2 * *sizes.iter().min().unwrap());
        }
    }
}
