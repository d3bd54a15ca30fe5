//! Makes the host keep ten thousand pools with names of half a megabyte.

use hostile_guests::{Pool, Problem, Sinner, pool};

struct HoardsPools;

impl Sinner for HoardsPools {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let name = "x".repeat(512 << 10);
        (0..10_000).for_each(|_| core::mem::forget(Pool::new(&name)));
        Ok(vec![pool("sins", 66)])
    }
}

hostile_guests::policy!(HoardsPools);
