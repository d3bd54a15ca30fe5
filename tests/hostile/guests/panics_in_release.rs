//! Panics when it hears that an attachment has ended.

use hostile_guests::{Ended, Sinner, state};

struct PanicsInRelease;

impl Sinner for PanicsInRelease {
    fn release(_config: &str, _ended: &Ended) {
        drop(state::set("note", b"never to be seen"));
        panic!("no goodbyes");
    }
}

hostile_guests::policy!(PanicsInRelease with release);
