//! Answers the gateway's address.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersGateway;

impl Sinner for AnswersGateway {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(1)]))
    }
}

hostile_guests::policy!(AnswersGateway);
