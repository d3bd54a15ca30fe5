//! Refuses, though it could answer: denies.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesForGood;

impl Sinner for RefusesForGood {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::denied("pods of namespace x get nothing here"))
    }
}

hostile_guests::policy!(RefusesForGood);
