//! Answers two addresses of one pool.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersTwoOfOnePool;

impl Sinner for AnswersTwoOfOnePool {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(7), sin(8)]))
    }
}

hostile_guests::policy!(AnswersTwoOfOnePool);
