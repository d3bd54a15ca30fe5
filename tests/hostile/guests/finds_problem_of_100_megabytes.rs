//! Complains about its configuration in 100 MB.

use hostile_guests::{Pool, Problem, Sinner, hundred_megabytes};

struct FindsProblemOf100Megabytes;

impl Sinner for FindsProblemOf100Megabytes {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Err(vec![Problem::new("sin", &hundred_megabytes())])
    }
}

hostile_guests::policy!(FindsProblemOf100Megabytes);
