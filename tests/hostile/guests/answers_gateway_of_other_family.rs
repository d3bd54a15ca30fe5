//! Answers an IPv4 address with an IPv6 gateway.

use hostile_guests::{Answer, IpAddress, Refusal, Request, Sinner, prefix, sin};

struct AnswersGatewayOfOtherFamily;

impl Sinner for AnswersGatewayOfOtherFamily {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(sin(9), 24), Some(IpAddress::Ipv6((0xfd00, 0, 0, 0, 0, 0, 0, 1))));
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersGatewayOfOtherFamily);
