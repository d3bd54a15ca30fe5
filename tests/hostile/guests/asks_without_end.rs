//! Asks the host for the next free address, again and again.

use hostile_guests::{Answer, Refusal, Request, Sinner, leases, range, sin};

struct AsksWithoutEnd;

impl Sinner for AsksWithoutEnd {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        loop {
            core::hint::black_box(leases::next_free(range(sin(0), sin(255)), None));
        }
    }
}

hostile_guests::policy!(AsksWithoutEnd);
