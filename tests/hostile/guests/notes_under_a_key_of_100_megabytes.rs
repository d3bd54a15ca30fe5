//! Notes down a word under a key of 100 MB.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, hundred_megabytes, state};

struct NotesUnderAKeyOf100Megabytes;

impl Sinner for NotesUnderAKeyOf100Megabytes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let taken = state::set(&hundred_megabytes(), b"word");
        taken.map_err(|error| Refusal::other(&format!("{error:?}")))?;
        honest()
    }
}

hostile_guests::policy!(NotesUnderAKeyOf100Megabytes);
