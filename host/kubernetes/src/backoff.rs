//! Pauses between attempts, longer each time, and different on each node: a thousand agents lose their watches at the
//! same moment when an API server restarts.

use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// Between nothing and a time that is twice as long after each attempt.
    pub(crate) fn pause(&mut self) -> Duration {
        let longest = self.next;
        self.next = (longest * 2).min(LONGEST);
        longest.mul_f64(fraction())
    }
}

/// From 0 to 1.
fn fraction() -> f64 {
    let mut bytes = [0; 4];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(4) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again() {
        let mut backoff = Backoff::new();
        for _ in 0..20 {
            assert!(backoff.pause() <= LONGEST);
        }
        assert_eq!(backoff.next, LONGEST);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
