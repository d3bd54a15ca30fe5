//! Proposes a block that is smaller than an address.

use hostile_guests::{IpPrefix, Refusal, Sinner, prefix, sin};

struct ProposesOverlongPrefix;

impl Sinner for ProposesOverlongPrefix {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(sin(16), 33))
    }
}

hostile_guests::policy!(ProposesOverlongPrefix with blocks);
