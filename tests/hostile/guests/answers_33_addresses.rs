//! Answers 33 addresses.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct Answers33Addresses;

impl Sinner for Answers33Addresses {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer((2..35).map(sin)))
    }
}

hostile_guests::policy!(Answers33Addresses);
