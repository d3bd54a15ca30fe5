//! Writes a note and gives an answer that the host refuses.

use hostile_guests::{Answer, Refusal, Request, Sinner, answer, sin, state};

struct NotesAndAnswersGateway;

impl Sinner for NotesAndAnswersGateway {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(state::set("note", b"never to be seen"));
        Ok(answer([sin(1)]))
    }
}

hostile_guests::policy!(NotesAndAnswersGateway);
