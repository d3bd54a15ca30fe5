//! Writes the longest note and reads it, again and again.

use hostile_guests::{Answer, Refusal, Request, Sinner, state};

struct RereadsNoteWithoutEnd;

impl Sinner for RereadsNoteWithoutEnd {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(state::set("note", &[7; 64 << 10]));
        loop {
            core::hint::black_box(state::get("note"));
        }
    }
}

hostile_guests::policy!(RereadsNoteWithoutEnd);
