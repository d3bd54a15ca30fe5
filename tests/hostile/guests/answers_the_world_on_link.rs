//! Answers with a prefix of length 0.

use hostile_guests::{Answer, Refusal, Request, Sinner, prefix, sin};

struct AnswersTheWorldOnLink;

impl Sinner for AnswersTheWorldOnLink {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(sin(9), 0), None);
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersTheWorldOnLink);
