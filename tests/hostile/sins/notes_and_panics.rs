//! Writes a note and panics.

use hostile_guests::{Answer, Refusal, Request, Sinner, memory};

struct NotesAndPanics;

impl Sinner for NotesAndPanics {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(memory::set("note", b"never to be seen"));
        panic!("after the note");
    }
}

hostile_guests::policy!(NotesAndPanics);
