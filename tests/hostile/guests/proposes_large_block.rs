//! Proposes a block that is two of its grid.

use hostile_guests::{IpPrefix, Refusal, Sinner, prefix, sin};

struct ProposesLargeBlock;

impl Sinner for ProposesLargeBlock {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(sin(32), 27))
    }
}

hostile_guests::policy!(ProposesLargeBlock with blocks);
