//! Answers the network's own address.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin};

struct AnswersNetworkAddress;

impl Sinner for AnswersNetworkAddress {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        Ok(answer([sin(0)]))
    }
}

hostile_guests::policy!(AnswersNetworkAddress);
