//! Answers a route that is no network.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, prefix, route, v4};

struct AnswersRouteWithHostBits;

impl Sinner for AnswersRouteWithHostBits {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = honest()?;
        answer.add_route(route(prefix(v4(10, 9, 0, 1), 16), None));
        Ok(answer)
    }
}

hostile_guests::policy!(AnswersRouteWithHostBits);
