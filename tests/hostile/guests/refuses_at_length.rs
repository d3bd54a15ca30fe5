//! Refuses with a novel that is just short enough for the host to read.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesAtLength;

impl Sinner for RefusesAtLength {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::denied(&"never ".repeat(100_000)))
    }
}

hostile_guests::policy!(RefusesAtLength);
