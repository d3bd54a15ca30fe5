//! Means a foreign range for its members.

use hostile_guests::{IpRange, Refusal, Sinner, range, v4};

struct SharesWhatIsNotItsOwn;

impl Sinner for SharesWhatIsNotItsOwn {
    fn share(_config: &str, _members: &[String], _member: &str) -> Result<Vec<IpRange>, Refusal> {
        Ok(vec![range(v4(10, 67, 0, 0), v4(10, 67, 0, 255))])
    }
}

hostile_guests::policy!(SharesWhatIsNotItsOwn with blocks);
