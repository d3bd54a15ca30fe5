//! Fills its notes with small keys and lists them, again and again.

use hostile_guests::{Answer, Refusal, Request, Sinner, state};

struct ListsKeysWithoutEnd;

impl Sinner for ListsKeysWithoutEnd {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        (0..20_000).for_each(|n| drop(state::set(&format!("{n}"), b"")));
        loop {
            core::hint::black_box(state::keys("none of them", None));
        }
    }
}

hostile_guests::policy!(ListsKeysWithoutEnd);
