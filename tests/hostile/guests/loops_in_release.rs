//! Never stops thinking about an attachment that has ended.

use hostile_guests::{Ended, Sinner};

struct LoopsInRelease;

impl Sinner for LoopsInRelease {
    fn release(_config: &str, _ended: &Ended) {
        let mut turns = 0_u64;
        loop {
            turns = core::hint::black_box(turns.wrapping_add(1));
        }
    }
}

hostile_guests::policy!(LoopsInRelease with release);
