//! Refuses, though it could answer: asks to try again.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesForNow;

impl Sinner for RefusesForNow {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::try_again("come back later", Some(2_500)))
    }
}

hostile_guests::policy!(RefusesForNow);
