//! Accepts its configuration, and then complains about it.

use hostile_guests::{Answer, Problem, Refusal, Request, Sinner};

struct RefusesItsConfiguration;

impl Sinner for RefusesItsConfiguration {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let message = "is not to my taste".to_owned();
        Err(Refusal::InvalidConfig(Problem { key: "colour".to_owned(), message }))
    }
}

hostile_guests::policy!(RefusesItsConfiguration);
