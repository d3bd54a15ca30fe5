//! Never stops choosing.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct LoopsInAllocate;

impl Sinner for LoopsInAllocate {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let mut turns = 0_u64;
        loop {
            turns = core::hint::black_box(turns.wrapping_add(1));
        }
    }
}

hostile_guests::policy!(LoopsInAllocate);
