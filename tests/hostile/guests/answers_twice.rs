//! Answers one address twice.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersTwice;

impl Sinner for AnswersTwice {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(7), sin(7)]))
    }
}

hostile_guests::policy!(AnswersTwice);
