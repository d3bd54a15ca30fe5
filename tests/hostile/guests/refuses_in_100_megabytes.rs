//! Refuses, and explains it in 100 MB.

use hostile_guests::{Answer, Refusal, Request, Sinner, hundred_megabytes};

struct RefusesIn100Megabytes;

impl Sinner for RefusesIn100Megabytes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::denied(&hundred_megabytes()))
    }
}

hostile_guests::policy!(RefusesIn100Megabytes);
