//! Wants all the memory there is.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct EatsMemory;

impl Sinner for EatsMemory {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            hoard.push(core::hint::black_box(Vec::with_capacity(1 << 20)));
        }
    }
}

hostile_guests::policy!(EatsMemory);
