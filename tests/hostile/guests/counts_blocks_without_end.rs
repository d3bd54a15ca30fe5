//! Never stops counting what is unclaimed.

use hostile_guests::{IpPrefix, Refusal, Sinner, range, shares, sin};

struct CountsBlocksWithoutEnd;

impl Sinner for CountsBlocksWithoutEnd {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        loop {
            core::hint::black_box(shares::unclaimed_count(range(sin(0), sin(255))));
        }
    }
}

hostile_guests::policy!(CountsBlocksWithoutEnd with blocks);
