//! Gives its pool a name of 100 MB.

use hostile_guests::{Pool, Problem, Sinner, hundred_megabytes, pool};

struct NamesPoolIn100Megabytes;

impl Sinner for NamesPoolIn100Megabytes {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        Ok(vec![pool(&hundred_megabytes(), 66)])
    }
}

hostile_guests::policy!(NamesPoolIn100Megabytes);
