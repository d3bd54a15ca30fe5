//! Declares a pool without a range.

use hostile_guests::{Pool, Problem, Sinner};

struct DeclaresEmptyPool;

impl Sinner for DeclaresEmptyPool {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![Pool::new("void")])
    }
}

hostile_guests::policy!(DeclaresEmptyPool);
