//! Writes every kind of garbage into its notes and complains unless the host bounded it.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, log, state};

struct NotesGarbage;

impl Sinner for NotesGarbage {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let long = vec![0xff; (64 << 10) + 1];
        let said = [state::set("", b"x"), state::set(&"k".repeat(257), b"x"), state::set("too long", &long)];
        let full = (0..100).map(|n| state::set(&format!("garbage \u{0} {n}"), &long[1..])).find(Result::is_err);
        let kept = state::keys("", None).len();
        log::log(log::Level::Info, &format!("refused {said:?}, then {full:?} with {kept} notes kept"));
        let unchanged = state::get("garbage \u{0} 0").is_some_and(|value| value == long[1..]);
        if unchanged { honest() } else { Err(Refusal::other("a note came back different")) }
    }
}

hostile_guests::policy!(NotesGarbage);
