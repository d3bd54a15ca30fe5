//! Answers without an address.

use hostile_guests::{Answer, Refusal, Request, Sinner};

struct AnswersNothing;

impl Sinner for AnswersNothing {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(Answer::new())
    }
}

hostile_guests::policy!(AnswersNothing);
