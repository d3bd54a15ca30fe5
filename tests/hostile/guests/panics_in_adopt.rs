//! Notes something, reserves something, and panics when it hears of adopted leases.

use hostile_guests::{Adopted, Sinner, reservations, sin, state};

struct PanicsInAdopt;

impl Sinner for PanicsInAdopt {
    fn adopt(_config: &str, adopted: &Adopted) {
        drop(state::set("note", b"never to be seen"));
        drop(reservations::reserve("never to be seen", sin(9), u64::MAX));
        panic!("{:?} were adopted", adopted.last_reserved());
    }
}

hostile_guests::policy!(PanicsInAdopt with adoption);
