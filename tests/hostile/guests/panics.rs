//! Panics while it chooses an address.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct Panics;

impl Sinner for Panics {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        panic!("the abacus is broken");
    }
}

hostile_guests::policy!(Panics);
