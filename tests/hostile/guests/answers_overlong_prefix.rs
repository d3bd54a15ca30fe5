//! Answers with an IPv4 prefix of 33 bits.

use hostile_guests::{Answer, Refusal, Request, Sinner, prefix, sin};

struct AnswersOverlongPrefix;

impl Sinner for AnswersOverlongPrefix {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(sin(9), 33), None);
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersOverlongPrefix);
