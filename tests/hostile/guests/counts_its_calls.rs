//! Logs that it is called, and always says that no address is left.

use hostile_guests::{Answer, Pool, Problem, Refusal, Request, Sinner, log, pool};

struct CountsItsCalls;

impl Sinner for CountsItsCalls {
    fn check_config(_config: &str) -> Result<Vec<Pool>, Vec<Problem>> {
        log::log(log::Level::Info, "check-config");
        Ok(vec![pool("sins", 66)])
    }

    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        log::log(log::Level::Info, "allocate");
        Err(Refusal::exhausted("as always"))
    }
}

hostile_guests::policy!(CountsItsCalls);
