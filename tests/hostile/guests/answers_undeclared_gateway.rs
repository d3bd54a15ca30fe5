//! Names a gateway that none of its pools declares.

use hostile_guests::{Answer, Refusal, Request, Sinner, prefix, sin};

struct AnswersUndeclaredGateway;

impl Sinner for AnswersUndeclaredGateway {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(sin(9), 24), Some(sin(77)));
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersUndeclaredGateway);
