//! Writes a line of 100 MB into the operator's log.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, hundred_megabytes, log};

struct Logs100Megabytes;

impl Sinner for Logs100Megabytes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        log::log(log::Level::Info, &hundred_megabytes());
        honest()
    }
}

hostile_guests::policy!(Logs100Megabytes);
