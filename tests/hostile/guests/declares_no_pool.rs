//! Declares no pool at all.

use hostile_guests::{Pool, Problem, Sinner};

struct DeclaresNoPool;

impl Sinner for DeclaresNoPool {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(Vec::new())
    }
}

hostile_guests::policy!(DeclaresNoPool);
