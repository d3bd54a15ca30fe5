//! Two looks before something is taken for gone or idle: a sandbox that is not there may not be there yet, and a block that
//! holds nothing may be needed in a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What was seen, and since when without a break.
#[derive(Debug)]
pub(crate) struct Looks<T> {
    apart: Duration,
    since: BTreeMap<T, Instant>,
}

impl<T: Ord + Clone> Looks<T> {
    /// `apart`: the time between two looks that count.
    pub(crate) fn new(apart: Duration) -> Self {
        Self { apart, since: BTreeMap::new() }
    }

    /// What was seen at an earlier look, long enough ago, and at every one since.
    pub(crate) fn again(&mut self, seen: BTreeSet<T>, now: Instant) -> BTreeSet<T> {
        self.since.retain(|one, _| seen.contains(one));
        let mut again = BTreeSet::new();
        for one in seen {
            let since = *self.since.entry(one.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= self.apart && since != now {
                again.insert(one);
            }
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_is_not_enough_and_a_break_starts_anew() {
        let start = Instant::now();
        let mut looks = Looks::new(Duration::from_secs(30));
        let mut at = |seconds: u64, names: &[&str]| {
            let seen = names.iter().map(|&name| name.to_owned()).collect();
            looks.again(seen, start + Duration::from_secs(seconds)).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(0, &["a", "b"]), "");
        assert_eq!(at(10, &["a", "b"]), "", "too soon");
        assert_eq!(at(20, &["b"]), "");
        assert_eq!(at(30, &["a", "b"]), "b", "a was away meanwhile");
        assert_eq!(at(59, &["a"]), "");
        assert_eq!(at(60, &["a"]), "a");
    }
}
