//! Answers 257 routes.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, prefix, route, v4};

struct Answers257Routes;

impl Sinner for Answers257Routes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let answer = honest()?;
        (0..257).for_each(|_| answer.add_route(route(prefix(v4(10, 9, 0, 0), 16), None)));
        Ok(answer)
    }
}

hostile_guests::policy!(Answers257Routes);
