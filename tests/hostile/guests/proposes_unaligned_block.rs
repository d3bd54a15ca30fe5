//! Proposes the second half of a block and the first of the next one.

use hostile_guests::{IpPrefix, Refusal, Sinner, prefix, sin};

struct ProposesUnalignedBlock;

impl Sinner for ProposesUnalignedBlock {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(sin(24), 28))
    }
}

hostile_guests::policy!(ProposesUnalignedBlock with blocks);
