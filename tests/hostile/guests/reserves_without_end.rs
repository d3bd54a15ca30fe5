//! Reserves every address again and again, under ever longer keys.

use hostile_guests::{Answer, Refusal, Request, Sinner, reservations, sin};

struct ReservesWithoutEnd;

impl Sinner for ReservesWithoutEnd {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let mut key = String::new();
        loop {
            key.push('k');
            (0..=255).for_each(|last| drop(reservations::reserve(&key, sin(last), u64::MAX)));
        }
    }
}

hostile_guests::policy!(ReservesWithoutEnd);
