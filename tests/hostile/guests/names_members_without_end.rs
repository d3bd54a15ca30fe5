//! Never stops asking who the members are.

use hostile_guests::{IpPrefix, Refusal, Sinner, shares};

struct NamesMembersWithoutEnd;

impl Sinner for NamesMembersWithoutEnd {
    fn next_block(_config: &str, _grid: u32) -> Result<IpPrefix, Refusal> {
        loop {
            core::hint::black_box(shares::members());
        }
    }
}

hostile_guests::policy!(NamesMembersWithoutEnd with blocks);
