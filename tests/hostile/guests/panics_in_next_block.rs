//! Panics over the question which block to claim.

use hostile_guests::{IpPrefix, Refusal, Sinner};

struct PanicsInNextBlock;

impl Sinner for PanicsInNextBlock {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        panic!("which block?");
    }
}

hostile_guests::policy!(PanicsInNextBlock with blocks);
