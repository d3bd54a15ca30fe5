//! Writes a note and panics.

use hostile_guests::{Answer, Refusal, Request, Sinner, state};

struct NotesAndPanics;

impl Sinner for NotesAndPanics {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(state::set("note", b"never to be seen"));
        panic!("after the note");
    }
}

hostile_guests::policy!(NotesAndPanics);
