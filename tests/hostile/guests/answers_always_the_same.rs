//! Answers 10.66.0.2, whatever its state.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersAlwaysTheSame;

impl Sinner for AnswersAlwaysTheSame {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(2)]))
    }
}

hostile_guests::policy!(AnswersAlwaysTheSame);
