//! Answers an address of a block that another member holds.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersFromAnothersBlock;

impl Sinner for AnswersFromAnothersBlock {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(7)]))
    }
}

hostile_guests::policy!(AnswersFromAnothersBlock with blocks);
