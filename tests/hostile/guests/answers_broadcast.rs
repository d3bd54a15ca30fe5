//! Answers the broadcast address.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersBroadcast;

impl Sinner for AnswersBroadcast {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(255)]))
    }
}

hostile_guests::policy!(AnswersBroadcast);
