//! Writes a note and refuses.

use hostile_guests::{Answer, Refusal, Request, Sinner, state};

struct NotesAndRefuses;

impl Sinner for NotesAndRefuses {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(state::set("note", b"never to be seen"));
        Err(Refusal::denied("after the note"))
    }
}

hostile_guests::policy!(NotesAndRefuses);
