//! Accepts its configuration, and then complains about it.

use hostile_guests::{Answer, Problem, Refusal, Request, Sinner};

struct RefusesItsConfiguration;

impl Sinner for RefusesItsConfiguration {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::invalid_config(Problem::new("colour", "is not to my taste")))
    }
}

hostile_guests::policy!(RefusesItsConfiguration);
