//! Proposes a block that another member holds.

use hostile_guests::{IpPrefix, Refusal, Sinner, prefix, sin};

struct ProposesHeldBlock;

impl Sinner for ProposesHeldBlock {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(sin(0), 28))
    }
}

hostile_guests::policy!(ProposesHeldBlock with blocks);
