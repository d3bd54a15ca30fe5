//! Answers an IPv4-mapped IPv6 address.

use hostile_guests::{Answer, IpAddress, Refusal, Request, Sinner, prefix};

struct AnswersMappedAddress;

impl Sinner for AnswersMappedAddress {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = Answer::new();
        answer.add_address(prefix(IpAddress::Ipv6((0, 0, 0, 0, 0, 0xffff, 0x0a42, 2)), 120), None);
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersMappedAddress);
