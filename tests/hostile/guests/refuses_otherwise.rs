//! Refuses, though it could answer: has its own reason.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesOtherwise;

impl Sinner for RefusesOtherwise {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::other("the stars are wrong"))
    }
}

hostile_guests::policy!(RefusesOtherwise);
