//! The time before something counts as gone or idle: a sandbox that is missing may be about to be created, and an empty block
//! may be needed in a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Remembers since when each item has been observed without interruption.
#[derive(Debug)]
pub(crate) struct GracePeriod<T> {
    length: Duration,
    since: BTreeMap<T, Instant>,
}

impl<T: Ord + Clone> GracePeriod<T> {
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, since: BTreeMap::new() }
    }

    /// The items that were observed for the whole period, at least twice.
    pub(crate) fn expired(&mut self, seen: BTreeSet<T>, now: Instant) -> BTreeSet<T> {
        self.since.retain(|one, _| seen.contains(one));
        let mut expired = BTreeSet::new();
        for one in seen {
            let since = *self.since.entry(one.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= self.length && since != now {
                expired.insert(one);
            }
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_observation_is_not_enough_and_an_interruption_starts_again() {
        let start = Instant::now();
        let mut period = GracePeriod::new(Duration::from_secs(30));
        let mut at = |seconds: u64, names: &[&str]| {
            let seen = names.iter().map(|&name| name.to_owned()).collect();
            period.expired(seen, start + Duration::from_secs(seconds)).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(0, &["a", "b"]), "");
        assert_eq!(at(10, &["a", "b"]), "", "too soon");
        assert_eq!(at(20, &["b"]), "");
        assert_eq!(at(30, &["a", "b"]), "b", "a was interrupted");
        assert_eq!(at(59, &["a"]), "");
        assert_eq!(at(60, &["a"]), "a");
    }
}
