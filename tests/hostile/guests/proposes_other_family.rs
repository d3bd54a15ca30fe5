//! Proposes an IPv6 block of an IPv4 range.

use hostile_guests::{IpAddress, IpPrefix, Refusal, Sinner, prefix};

struct ProposesOtherFamily;

impl Sinner for ProposesOtherFamily {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        Ok(prefix(IpAddress::Ipv6((0xfd00, 0, 0, 0, 0, 0, 0, 0)), 28))
    }
}

hostile_guests::policy!(ProposesOtherFamily with blocks);
