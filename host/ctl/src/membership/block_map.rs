//! A range as a line of cells: whom it is meant for, and who holds what.

use std::fmt;

use gingham_engine::address::IpRange;
use gingham_ownership::grid::Grid;
use gingham_untrusted::text;
use ipnet::IpNet;

/// The most cells of a line.
const CELLS: u128 = 64;

/// An unclaimed cell, and one of several nodes.
const UNCLAIMED: char = '.';
const SHARED: char = '*';

/// A node for the block map.
pub(super) struct Holder<'a> {
    pub(super) name: &'a str,
    pub(super) is_this_node: bool,
    pub(super) share: &'a [IpRange],
    pub(super) blocks: &'a [IpNet],
}

/// A grid and its nodes, for people.
pub(super) struct BlockMap<'a> {
    pub(super) grid: Grid,
    pub(super) holders: &'a [Holder<'a>],
}

impl fmt::Display for BlockMap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.grid.block_count().min(CELLS);
        let per_cell = self.grid.block_count() / cells;
        let scale = if per_cell == 1 { String::new() } else { format!(", {per_cell} to a letter") };
        writeln!(f, "{}, {} of them{scale}", self.grid, self.grid.block_count())?;
        let share = self.line(cells, |holder| holder.share.to_vec());
        let blocks = self.line(cells, |holder| holder.blocks.iter().copied().map(IpRange::from).collect());
        let several = if share.contains(SHARED) || blocks.contains(SHARED) { "  * shared by several" } else { "" };
        writeln!(f, "  share   {share}")?;
        writeln!(f, "  blocks  {blocks}")?;
        writeln!(f, "          {}{several}", self.legend())
    }
}

impl BlockMap<'_> {
    fn line(&self, cells: u128, ranges: impl Fn(&Holder<'_>) -> Vec<IpRange>) -> String {
        let mut line = vec![UNCLAIMED; usize::try_from(cells).unwrap_or_default()];
        let per_cell = self.grid.block_count() / cells;
        for (letter, holder) in letters().zip(self.shown()) {
            for range in ranges(holder) {
                let Some((first, last)) = self.blocks(range) else { continue };
                let (first, last) = (first / per_cell, last / per_cell);
                for cell in line.iter_mut().take(index(last) + 1).skip(index(first)) {
                    *cell = if *cell == UNCLAIMED || *cell == letter { letter } else { SHARED };
                }
            }
        }
        line.into_iter().collect()
    }

    /// The numbers of the first and last block that a range touches.
    fn blocks(&self, range: IpRange) -> Option<(u128, u128)> {
        let common = IpRange::from(self.grid.range()).intersection(&range)?;
        Some((self.grid.index_of(common.first())?, self.grid.index_of(common.last())?))
    }

    /// Those that have anything.
    fn shown(&self) -> impl Iterator<Item = &Holder<'_>> {
        self.holders.iter().filter(|holder| !holder.share.is_empty() || !holder.blocks.is_empty())
    }

    fn legend(&self) -> String {
        let mut legend = Vec::new();
        let mut holders = self.shown();
        for (letter, holder) in letters().zip(&mut holders) {
            let this = if holder.is_this_node { " (this node)" } else { "" };
            legend.push(format!("{letter} {}{this}", text::line(holder.name)));
        }
        let rest = holders.count();
        match rest {
            0 => {}
            1 => legend.push("and 1 node without a letter".to_owned()),
            _ => legend.push(format!("and {rest} nodes without a letter")),
        }
        legend.push(format!("{UNCLAIMED} unclaimed"));
        legend.join("  ")
    }
}

fn letters() -> impl Iterator<Item = char> {
    ('A'..='Z').chain('a'..='z')
}

fn index(cell: u128) -> usize {
    usize::try_from(cell).unwrap_or(usize::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(range: &str, block_length: u8) -> Grid {
        Grid::new(range.parse().unwrap(), block_length).unwrap()
    }

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    #[test]
    fn three_nodes_in_weaves_range() {
        let shares = ["10.32.0.0-10.37.85.255", "10.37.86.0-10.42.170.255", "10.42.171.0-10.47.255.255"].map(range);
        let blocks: [Vec<IpNet>; 3] = [
            vec!["10.32.0.0/24".parse().unwrap(), "10.33.0.0/24".parse().unwrap()],
            vec!["10.37.86.0/24".parse().unwrap()],
            // In the same cell as the second's first block.
            vec!["10.37.87.0/24".parse().unwrap(), "10.47.255.0/24".parse().unwrap()],
        ];
        let names = ["node-1", "node-2", "node-3"];
        let holders: Vec<Holder<'_>> = (0..3)
            .map(|n| Holder { name: names[n], is_this_node: n == 1, share: &shares[n..=n], blocks: &blocks[n] })
            .collect();
        insta::assert_snapshot!(BlockMap { grid: grid("10.32.0.0/12", 24), holders: &holders });
    }

    #[test]
    fn a_small_range_has_a_letter_for_each_block() {
        let blocks: Vec<IpNet> = vec!["fd00::2:0/112".parse().unwrap()];
        let idle = Holder { name: "left", is_this_node: false, share: &[], blocks: &[] };
        let holders = [idle, Holder { name: "a", is_this_node: true, share: &[range("fd00::/108")], blocks: &blocks }];
        insta::assert_snapshot!(BlockMap { grid: grid("fd00::/108", 112), holders: &holders });
    }

    #[test]
    fn more_nodes_than_letters_are_counted() {
        let blocks: Vec<Vec<IpNet>> = (0..60).map(|n| vec![format!("10.0.{n}.0/24").parse().unwrap()]).collect();
        let holders: Vec<Holder<'_>> =
            blocks.iter().map(|blocks| Holder { name: "n", is_this_node: false, share: &[], blocks }).collect();
        let text = BlockMap { grid: grid("10.0.0.0/16", 24), holders: &holders }.to_string();
        assert!(text.contains("and 8 nodes without a letter  . unclaimed"), "{text}");
    }
}
