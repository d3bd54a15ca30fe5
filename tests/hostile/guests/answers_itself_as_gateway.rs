//! Answers an address that is its own gateway.

use hostile_guests::{Answer, Refusal, Request, Sinner, prefix, sin};

struct AnswersItselfAsGateway;

impl Sinner for AnswersItselfAsGateway {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(sin(9), 24), Some(sin(9)));
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersItselfAsGateway);
