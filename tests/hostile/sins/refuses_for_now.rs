//! Refuses, though it could answer: asks to try again.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesForNow;

impl Sinner for RefusesForNow {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::TryAgain("come back later".to_owned()))
    }
}

hostile_guests::policy!(RefusesForNow);
