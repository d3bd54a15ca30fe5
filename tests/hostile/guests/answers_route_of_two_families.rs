//! Answers an IPv4 route with an IPv6 next hop.

use hostile_guests::{Answer, IpAddress, Refusal, Request, Sinner, honest, prefix, route, v4};

struct AnswersRouteOfTwoFamilies;

impl Sinner for AnswersRouteOfTwoFamilies {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = honest()?;
        let hop = IpAddress::Ipv6((0xfd00, 0, 0, 0, 0, 0, 0, 1));
        answer.add_route(route(prefix(v4(10, 9, 0, 0), 16), Some(hop)));
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersRouteOfTwoFamilies);
