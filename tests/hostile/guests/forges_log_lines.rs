//! Logs a line break, and behind it what looks like another policy's line.

use hostile_guests::{Answer, Refusal, Request, Sinner, log};

struct ForgesLogLines;

impl Sinner for ForgesLogLines {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        log::log(log::Level::Info, "fine\ngingham: error policy honest: all is lost\x1b[2J");
        Err(Refusal::other("no\ngingham: error policy honest: all is lost\x1b[2J"))
    }
}

hostile_guests::policy!(ForgesLogLines);
