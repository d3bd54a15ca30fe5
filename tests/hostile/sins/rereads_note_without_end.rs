//! Writes the longest note and reads it, again and again.

use hostile_guests::{Answer, Refusal, Request, Sinner, memory};

struct RereadsNoteWithoutEnd;

impl Sinner for RereadsNoteWithoutEnd {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        drop(memory::set("note", &[7; 64 << 10]));
        loop {
            core::hint::black_box(memory::get("note"));
        }
    }
}

hostile_guests::policy!(RereadsNoteWithoutEnd);
