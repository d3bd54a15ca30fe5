use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{BlockMap, Grid, GridError};
use crate::address::{IpRange, number};
use crate::ranges::RangeSet;

fn grid(range: &str, block_length: u8) -> Grid {
    Grid::new(range.parse().unwrap(), block_length).unwrap()
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

#[test]
fn blocks_are_counted_from_the_range_s_beginning() {
    let weave = grid("10.32.0.0/12", 24);
    assert_eq!((weave.block_count(), weave.block_size()), (4096, 256));
    assert_eq!(weave.block(0), Some(net("10.32.0.0/24")));
    assert_eq!(weave.block(4095), Some(net("10.47.255.0/24")));
    assert_eq!(weave.block(4096), None);
    assert_eq!(weave.index(net("10.33.0.0/24")), Some(256));
    assert_eq!(weave.block_of("10.33.0.77".parse().unwrap()), Some(net("10.33.0.0/24")));
    assert_eq!(weave.to_string(), "10.32.0.0/12 in blocks of /24");
    let whole = grid("10.32.0.0/24", 24);
    assert_eq!((whole.block_count(), whole.block(0)), (1, Some(net("10.32.0.0/24"))));
}

#[test]
fn what_is_no_block_of_the_grid_has_no_number() {
    let weave = grid("10.32.0.0/12", 24);
    for foreign in ["10.48.0.0/24", "10.31.255.0/24", "10.32.0.0/23", "10.32.0.0/25", "10.32.0.1/24", "fd00::/24"] {
        assert_eq!(weave.index(net(foreign)), None, "{foreign}");
    }
}

#[test]
fn the_ends_of_both_address_spaces_hold() {
    let all4 = grid("0.0.0.0/0", 32);
    assert_eq!(all4.block_count(), 1 << 32);
    assert_eq!(all4.block(u128::from(u32::MAX)), Some(net("255.255.255.255/32")));
    assert_eq!(all4.whole_blocks(range("255.255.255.255")), Some((u128::from(u32::MAX), u128::from(u32::MAX))));
    let all6 = grid("::/0", 0);
    assert_eq!((all6.block_count(), all6.block_size(), all6.block(0)), (1, u128::MAX, Some(net("::/0"))));
    assert_eq!(all6.index_of("ffff::1".parse().unwrap()), Some(0));
    assert_eq!(all6.whole_blocks(range("::/0")), Some((0, 0)));
    assert_eq!(all6.whole_blocks(range("::1-ffff::")), None);
    let last6 = grid("::/0", 127);
    assert_eq!(last6.block(last6.block_count() - 1), Some(net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127")));
}

#[test]
fn ranges_that_cannot_be_divided_so_are_refused() {
    let refused = |text: &str, length| Grid::new(net(text), length).unwrap_err();
    assert!(matches!(refused("10.32.0.1/12", 24), GridError::HostBits { .. }));
    assert!(matches!(refused("10.32.0.0/12", 33), GridError::NoSuchLength { .. }));
    assert!(matches!(refused("::/0", 128), GridError::TooManyBlocks { .. }));
    assert_eq!(
        refused("10.32.0.0/12", 8).to_string(),
        "a grid of /8 blocks in 10.32.0.0/12, and such a block is larger than the range"
    );
}

#[test]
fn a_grid_is_written_as_json_and_checked_when_it_is_read() {
    let weave = grid("10.32.0.0/12", 24);
    let written = serde_json::to_string(&weave).unwrap();
    assert_eq!(written, r#"{"range":"10.32.0.0/12","blockLength":24}"#);
    assert_eq!(serde_json::from_str::<Grid>(&written).unwrap(), weave);
    let wrong = serde_json::from_str::<Grid>(r#"{"range":"10.32.0.0/12","blockLength":8}"#).unwrap_err();
    assert!(wrong.to_string().contains("larger than the range"), "{wrong}");
}

#[test]
fn a_block_map_knows_its_members_in_order_and_itself_among_them() {
    let block_map = BlockMap::new("b", ["c", "a", "c"].map(str::to_owned), Vec::new());
    assert_eq!(block_map.members(), ["a", "b", "c"]);
    assert_eq!(block_map.next_unclaimed(range("10.0.0.0/8"), None), None);
}

#[test]
fn a_claim_off_the_grid_or_upon_anothers_is_refused() {
    let mut block_map = BlockMap::new("a", [], vec![grid("10.32.0.0/12", 24), grid("fd00::/64", 112)]);
    assert!(block_map.claim(net("10.32.7.0/24"), "a"));
    assert!(!block_map.claim(net("10.32.7.0/24"), "b"));
    assert!(!block_map.claim(net("10.32.7.0/25"), "b"));
    assert!(block_map.claim(net("fd00::7:0/112"), "b"));
    assert_eq!(block_map.holder_of("fd00::7:1".parse().unwrap()), Some("b"));
    assert_eq!(block_map.holder_of("fd00::8:1".parse().unwrap()), None);
    assert_eq!(block_map.blocks_of("a").collect::<Vec<_>>(), [net("10.32.7.0/24")]);
    assert_eq!(block_map.unclaim(net("10.32.7.0/24")).as_deref(), Some("a"));
    assert_eq!(block_map.unclaim(net("10.32.7.0/24")), None);
    assert_eq!(block_map.claimed_count(), 1);
}

#[test]
fn blocks_excluded_as_a_whole_are_not_offered() {
    let excluded = RangeSet::new(vec![range("10.32.0.0/23"), range("10.32.3.0-10.32.3.254"), range("10.32.4.7")]);
    let mut block_map = BlockMap::new("a", [], vec![grid("10.32.0.0/21", 24)]).excluding(excluded);
    let all = range("10.32.0.0/12");
    assert_eq!(block_map.next_unclaimed(all, None), Some(net("10.32.2.0/24")));
    assert_eq!(block_map.unclaimed_count(all), 6);
    assert_eq!(block_map.unclaimed_count(range("10.32.1.0-10.32.4.255")), 3);
    assert!(block_map.claim(net("10.32.1.0/24"), "b"), "another may know less");
    assert_eq!(block_map.unclaimed_count(all), 6);
    assert!(block_map.claim(net("10.32.2.0/24"), "b"));
    assert_eq!(block_map.next_unclaimed(all, None), Some(net("10.32.3.0/24")));
}

/// Addresses of a small range in small blocks, at the beginning, in the middle and at the end of each family.
fn ground() -> impl Strategy<Value = Grid> {
    let base = prop_oneof![
        Just("0.0.0.0/24"),
        Just("10.1.0.0/24"),
        Just("255.255.255.0/24"),
        Just("::/120"),
        Just("fd00::/120"),
        Just("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120"),
    ];
    (base, 0..=8_u8).prop_map(|(base, bits)| {
        let range = net(base);
        Grid::new(range, range.prefix_len() + bits).unwrap()
    })
}

/// An address of the range, or a little outside where there is an outside.
fn at(grid: &Grid, offset: i16) -> IpAddr {
    let base = number(grid.range().network());
    match grid.range().network() {
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(base).unwrap().saturating_add_signed(offset.into())).into(),
        IpAddr::V6(_) => Ipv6Addr::from(base.saturating_add_signed(offset.into())).into(),
    }
}

fn between(grid: &Grid, one: i16, other: i16) -> IpRange {
    IpRange::new(at(grid, one.min(other)), at(grid, one.max(other))).unwrap()
}

fn all_blocks(grid: &Grid) -> Vec<IpNet> {
    (0..grid.block_count()).map(|index| grid.block(index).unwrap()).collect()
}

fn is_within(block: IpNet, within: IpRange) -> bool {
    within.contains(block.network()) && within.contains(block.broadcast())
}

proptest! {
    #[test]
    fn blocks_tile_the_range_and_know_their_numbers(grid in ground()) {
        let blocks = all_blocks(&grid);
        prop_assert_eq!(blocks[0].network(), grid.range().network());
        prop_assert_eq!(blocks.last().unwrap().broadcast(), grid.range().broadcast());
        for (index, block) in blocks.iter().enumerate() {
            prop_assert_eq!(grid.index(*block), Some(index as u128));
            prop_assert_eq!(grid.index_of(block.network()), Some(index as u128));
            prop_assert_eq!(grid.block_of(block.broadcast()), Some(*block));
        }
        for pair in blocks.windows(2) {
            prop_assert_eq!(number(pair[0].broadcast()) + 1, number(pair[1].network()));
        }
    }

    #[test]
    fn whole_blocks_are_those_within(grid in ground(), one in -20_i16..280, other in -20_i16..280) {
        let within = between(&grid, one, other);
        let plain: Vec<u128> =
            all_blocks(&grid).into_iter().filter(|block| is_within(*block, within)).filter_map(|block| grid.index(block)).collect();
        prop_assert_eq!(grid.whole_blocks(within), plain.first().map(|first| (*first, *plain.last().unwrap())));
    }

    #[test]
    fn a_block_map_agrees_with_a_plain_list(
        grid in ground(),
        deeds in prop::collection::vec((any::<bool>(), any::<u8>(), 0..3_usize), 0..64),
        excluded in prop::collection::vec((-20_i16..280, -20_i16..280), 0..3),
        questions in prop::collection::vec((-20_i16..280, -20_i16..280, prop::option::of(-20_i16..280)), 1..16),
    ) {
        let excluded = RangeSet::new(excluded.iter().map(|(one, other)| between(&grid, *one, *other)).collect());
        let mut block_map = BlockMap::new("a", [], vec![grid]).excluding(excluded.clone());
        let mut plain: BTreeMap<IpNet, &str> = BTreeMap::new();
        for (claims, block, who) in deeds {
            let block = grid.block(u128::from(block) % grid.block_count()).unwrap();
            let who = ["a", "b", "c"][who];
            if claims {
                prop_assert_eq!(block_map.claim(block, who), !plain.contains_key(&block));
                plain.entry(block).or_insert(who);
            } else {
                prop_assert_eq!(block_map.unclaim(block), plain.remove(&block).map(str::to_owned));
            }
        }
        prop_assert!(block_map.claimed().eq(plain.iter().map(|(block, who)| (*block, *who))));
        let useless = |block: &IpNet| excluded.without((*block).into()).is_empty();
        for (one, other, after) in questions {
            let within = between(&grid, one, other);
            let after = after.map(|offset| at(&grid, offset));
            let open: Vec<IpNet> = all_blocks(&grid)
                .into_iter()
                .filter(|block| is_within(*block, within) && !plain.contains_key(block) && !useless(block))
                .collect();
            prop_assert_eq!(block_map.unclaimed_count(within), open.len() as u64);
            let next = open.into_iter().find(|block| after.is_none_or(|after| block.network() > after));
            prop_assert_eq!(block_map.next_unclaimed(within, after), next);
        }
    }

    /// The cost of a question is that of the runs it passes, not of the blocks.
    #[test]
    fn a_run_is_one_step(claimed in 1..4096_u128, downwards in any::<bool>()) {
        let grid = grid("10.32.0.0/12", 24);
        let mut block_map = BlockMap::new("a", [], vec![grid]);
        for index in 0..claimed {
            let index = if downwards { claimed - 1 - index } else { index };
            block_map.claim(grid.block(index).unwrap(), "a");
        }
        let mut steps = 0;
        prop_assert_eq!(block_map.find_unclaimed(range("10.32.0.0/12"), None, &mut steps), grid.block(claimed));
        prop_assert!(steps <= 2);
        prop_assert_eq!(block_map.count_unclaimed(range("10.32.0.0/12"), &mut steps), 4096 - u64::try_from(claimed).unwrap());
        prop_assert!(steps <= 3);
    }
}
