//! Notes down 100 MB.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, hundred_megabytes, state};

struct Notes100Megabytes;

impl Sinner for Notes100Megabytes {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let taken = state::set("diary", hundred_megabytes().as_bytes());
        taken.map_err(|error| Refusal::other(&format!("{error:?}")))?;
        honest()
    }
}

hostile_guests::policy!(Notes100Megabytes);
