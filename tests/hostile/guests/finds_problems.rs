//! Finds fault with its configuration.

use hostile_guests::{Pool, Problem, Sinner};

struct FindsProblems;

impl Sinner for FindsProblems {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        let problem = |key: &str, message: &str| Problem::new(key, message);
        Err(vec![problem("colour", "is not to my taste"), problem("", "there is too little of it")])
    }
}

hostile_guests::policy!(FindsProblems);
