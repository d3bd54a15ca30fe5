//! Logs a thousand lines.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, log};

struct Chatters;

impl Sinner for Chatters {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        (0..1000).for_each(|n| log::log(log::Level::Info, &format!("line {n}")));
        honest()
    }
}

hostile_guests::policy!(Chatters);
