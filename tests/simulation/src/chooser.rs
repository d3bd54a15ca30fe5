//! What chooses the block to claim next.

use std::fmt;
use std::hash::{Hash, Hasher};

use gingham_ownership::address::IpRange;
use gingham_ownership::claim::Chooser;
use gingham_ownership::grid::BlockMap;
use ipnet::IpNet;

/// A chooser that can be in a process: the same answers to the same questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Native {
    /// The lowest unclaimed block.
    Lowest,
    /// The lowest unclaimed block of the own equal share, else the lowest one above it, else the lowest.
    OwnShareFirst,
}

impl Chooser for Native {
    type Error = Exhausted;

    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, Exhausted> {
        let grid = block_map.grids()[0];
        let whole = IpRange::from(grid.range());
        let own = match self {
            Self::Lowest => None,
            Self::OwnShareFirst => {
                let index = block_map.members().iter().position(|member| member == block_map.me()).unwrap_or(0);
                share(grid.block_count(), block_map.members().len(), index)
            }
        };
        let own = own.and_then(|(from, to)| {
            let (first, last) = (grid.block(from)?, grid.block(to - 1)?);
            let span = IpRange::new(first.network(), last.broadcast())?;
            let above = || block_map.next_unclaimed(whole, Some(last.network()));
            block_map.next_unclaimed(span, None).or_else(above)
        });
        own.or_else(|| block_map.next_unclaimed(whole, None)).ok_or(Exhausted)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exhausted;

/// The blocks from the first number up to, and without, the second: equal shares, the first ones one block larger.
pub fn share(blocks: u128, members: usize, index: usize) -> Option<(u128, u128)> {
    let (members, index) = (members as u128, index as u128);
    let (whole, rest) = (blocks / members, blocks % members);
    let start = |index: u128| index * whole + index.min(rest);
    (start(index) < start(index + 1)).then_some((start(index), start(index + 1)))
}

/// A policy's component, which is never unloaded.
#[derive(Clone, Copy)]
pub struct Component(pub &'static dyn BlockPolicy);

/// A component, as far as it divides a range.
pub trait BlockPolicy {
    /// The block to claim next.
    ///
    /// # Errors
    /// If there is none.
    fn next_block(&self, block_map: &BlockMap) -> Result<IpNet, Exhausted>;

    /// How many blocks a member's share has.
    fn share(&self, members: &[String], member: &str) -> u128;
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Component")
    }
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.0, other.0)
    }
}

impl Eq for Component {}

impl Hash for Component {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnyChooser {
    Native(Native),
    Component(Component),
}

impl Chooser for AnyChooser {
    type Error = Exhausted;

    fn next_block(&mut self, block_map: &BlockMap) -> Result<IpNet, Exhausted> {
        match self {
            Self::Native(native) => native.next_block(block_map),
            Self::Component(component) => component.0.next_block(block_map),
        }
    }
}
