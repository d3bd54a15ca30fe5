//! Is no cluster policy, and looks at the cluster all the same: it sees itself, alone.

use hostile_guests::{Answer, Refusal, Request, Sinner, honest, log, range, shares, sin};

struct LooksOn;

impl Sinner for LooksOn {
    fn allocate(_config: &str, _request: &Request) -> Result<Answer, Refusal> {
        let all = range(sin(0), sin(255));
        let seen = format!(
            "{} of {:?}, {} unclaimed, {} claimed, next {}, holder {:?}",
            shares::me(),
            shares::members(),
            shares::unclaimed_count(all),
            shares::claimed().len(),
            shares::next_unclaimed(all, None).is_some(),
            shares::holder(sin(7)),
        );
        log::log(log::Level::Info, &seen);
        honest()
    }
}

hostile_guests::policy!(LooksOn looking on);
