//! The grid: a cluster's range in blocks of one size, by number; and which member holds which block ([`BlockMap`]).

mod block_map;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address::{Family, IpRange, number};

pub use block_map::BlockMap;

/// A range in blocks of one size. As JSON `{"range": "10.32.0.0/12", "blockLength": 24}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Grid {
    range: IpNet,
    block_length: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    range: IpNet,
    block_length: u8,
}

impl TryFrom<Written> for Grid {
    type Error = GridError;

    fn try_from(written: Written) -> Result<Self, GridError> {
        Self::new(written.range, written.block_length)
    }
}

impl From<Grid> for Written {
    fn from(grid: Grid) -> Self {
        Self { range: grid.range, block_length: grid.block_length }
    }
}

/// A range that cannot be divided so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    #[error("a grid on {range}, which has host bits set")]
    HostBits { range: IpNet },
    #[error("a grid of /{block_length} blocks in {range}, and such a block is larger than the range")]
    BlockTooLarge { range: IpNet, block_length: u8 },
    /// The family has no such prefix.
    #[error("a grid of /{block_length} blocks in {range}, and its family has no prefix of that length")]
    NoSuchLength { range: IpNet, block_length: u8 },
    /// More blocks than can be counted: the whole of IPv6 by single addresses.
    #[error("a grid of /{block_length} blocks in {range}, which cannot be counted")]
    TooManyBlocks { range: IpNet, block_length: u8 },
}

impl Grid {
    /// The grid of blocks with this prefix length.
    pub fn new(range: IpNet, block_length: u8) -> Result<Self, GridError> {
        if range != range.trunc() {
            return Err(GridError::HostBits { range });
        }
        if block_length > range.max_prefix_len() {
            return Err(GridError::NoSuchLength { range, block_length });
        }
        match block_length.checked_sub(range.prefix_len()) {
            None => Err(GridError::BlockTooLarge { range, block_length }),
            Some(128..) => Err(GridError::TooManyBlocks { range, block_length }),
            Some(_) => Ok(Self { range, block_length }),
        }
    }

    pub fn range(&self) -> IpNet {
        self.range
    }

    pub fn block_length(&self) -> u8 {
        self.block_length
    }

    /// How many blocks; at least one.
    pub fn block_count(&self) -> u128 {
        1 << (self.block_length - self.range.prefix_len())
    }

    /// How many addresses a block has; the whole of IPv6 saturates.
    pub fn block_size(&self) -> u128 {
        1_u128.checked_shl(self.host_bits()).unwrap_or(u128::MAX)
    }

    /// The block with this number, counted from 0.
    pub fn block(&self, index: u128) -> Option<IpNet> {
        if index >= self.block_count() {
            return None;
        }
        // A single block of the whole address space shifts by all bits: its number is 0.
        let offset = index.checked_shl(self.host_bits()).unwrap_or(0);
        let address = self.family().address(self.base() + offset)?;
        IpNet::new(address, self.block_length).ok()
    }

    /// The number of a block. None if it is none of the grid: outside, of another length, not aligned.
    pub fn index(&self, block: IpNet) -> Option<u128> {
        let fits = block.prefix_len() == self.block_length && block == block.trunc();
        if fits { self.index_of(block.addr()) } else { None }
    }

    /// The number of the block an address lies in.
    pub fn index_of(&self, address: IpAddr) -> Option<u128> {
        self.range.contains(&address).then(|| {
            let offset = number(address) - self.base();
            offset.checked_shr(self.host_bits()).unwrap_or(0)
        })
    }

    pub fn block_of(&self, address: IpAddr) -> Option<IpNet> {
        self.index_of(address).and_then(|index| self.block(index))
    }

    /// The numbers of the first and last block that lie within a range as a whole.
    pub fn whole_blocks(&self, within: IpRange) -> Option<(u128, u128)> {
        let common = IpRange::from(self.range).intersection(&within)?;
        let (first, last) = (number(common.first()) - self.base(), number(common.last()) - self.base());
        let begins = first.checked_shr(self.host_bits()).unwrap_or(0);
        let first_whole = if first & self.host_mask() == 0 { begins } else { begins.checked_add(1)? };
        let ends = last.checked_shr(self.host_bits()).unwrap_or(0);
        let last_whole = if last & self.host_mask() == self.host_mask() { ends } else { ends.checked_sub(1)? };
        (first_whole <= last_whole).then_some((first_whole, last_whole))
    }

    fn family(&self) -> Family {
        Family::of(self.range.addr())
    }

    fn base(&self) -> u128 {
        number(self.range.network())
    }

    fn host_bits(&self) -> u32 {
        u32::from(self.range.max_prefix_len() - self.block_length)
    }

    fn host_mask(&self) -> u128 {
        1_u128.checked_shl(self.host_bits()).map_or(u128::MAX, |size| size - 1)
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in blocks of /{}", self.range, self.block_length)
    }
}
