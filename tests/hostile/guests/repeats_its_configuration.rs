//! No sin, but of use: refuses and says what it was told.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct RepeatsItsConfiguration;

impl Sinner for RepeatsItsConfiguration {
    fn allocate(config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Err(Refusal::other(config))
    }
}

hostile_guests::policy!(RepeatsItsConfiguration);
