//! Refuses, though it could answer: says that a wish cannot be met.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesUnavailable;

impl Sinner for RefusesUnavailable {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::unavailable("10.66.0.9 is not for you"))
    }
}

hostile_guests::policy!(RefusesUnavailable);
