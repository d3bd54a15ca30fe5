//! Writes a note and refuses.

use hostile_guests::{Answer, Refusal, Request, Sinner, memory};

struct NotesAndRefuses;

impl Sinner for NotesAndRefuses {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(memory::set("note", b"never to be seen"));
        Err(Refusal::Denied("after the note".to_owned()))
    }
}

hostile_guests::policy!(NotesAndRefuses);
