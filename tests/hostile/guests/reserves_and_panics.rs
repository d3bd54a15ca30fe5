//! Reserves an address, and panics.

use hostile_guests::{Answer, Refusal, Request, Sinner, reservations, sin};

struct ReservesAndPanics;

impl Sinner for ReservesAndPanics {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(reservations::reserve("never to be seen", sin(2), u64::MAX));
        panic!("after the reservation");
    }
}

hostile_guests::policy!(ReservesAndPanics);
