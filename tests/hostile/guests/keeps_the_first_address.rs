//! Reserves the lowest address for somebody and answers another one: that is its right.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, reservations, sin};

struct KeepsTheFirstAddress;

impl Sinner for KeepsTheFirstAddress {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let kept = reservations::reserve("somebody", sin(2), 3_600_000);
        kept.map_err(|error| Refusal::other(&format!("{error:?}")))?;
        Ok(answer([sin(3)]))
    }
}

hostile_guests::policy!(KeepsTheFirstAddress);
