//! Refuses, though it could answer: says that nothing is left.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RefusesExhausted;

impl Sinner for RefusesExhausted {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::exhausted("sold out"))
    }
}

hostile_guests::policy!(RefusesExhausted);
