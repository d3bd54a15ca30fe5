//! Complains about ten thousand keys.

use hostile_guests::{Pool, Problem, Sinner};

struct FindsCountlessProblems;

impl Sinner for FindsCountlessProblems {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Err((0..10_000).map(|n| Problem::new(&format!("key{n}"), "is wrong")).collect())
    }
}

hostile_guests::policy!(FindsCountlessProblems);
