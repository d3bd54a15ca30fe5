//! Answers an address of nobody's pool.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, v4};

struct AnswersOutside;

impl Sinner for AnswersOutside {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([v4(192, 0, 2, 7)]))
    }
}

hostile_guests::policy!(AnswersOutside);
