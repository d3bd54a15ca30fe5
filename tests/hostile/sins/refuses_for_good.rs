//! Refuses, though it could answer: denies.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesForGood;

impl Sinner for RefusesForGood {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::Denied("pods of namespace x get nothing here".to_owned()))
    }
}

hostile_guests::policy!(RefusesForGood);
