//! Answers an IPv6 address where all pools are IPv4.

use hostile_guests::{Answer, IpAddress, Refusal, Request, Sinner, prefix};

struct AnswersOtherFamily;

impl Sinner for AnswersOtherFamily {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(IpAddress::Ipv6((0xfd00, 0, 0, 0, 0, 0, 0, 2)), 64), None);
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersOtherFamily);
