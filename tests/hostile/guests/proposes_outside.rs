//! Proposes a block of another range.

use hostile_guests::{IpPrefix, Refusal, Sinner, prefix, v4};

struct ProposesOutside;

impl Sinner for ProposesOutside {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(v4(10, 67, 0, 0), 28))
    }
}

hostile_guests::policy!(ProposesOutside with blocks);
