//! What this process knows of the time that goes by: the clock of reports is one that people set.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::object::AllocationPolicy;
use super::report::{Report, State};
use super::turn::Tries;

#[derive(Debug, Default)]
pub(super) struct Timing {
    tried: BTreeMap<String, Tried>,
    observed: BTreeMap<String, Observed>,
}

#[derive(Debug)]
struct Tried {
    /// Of the object.
    version: (String, i64),
    count: u32,
    last: Instant,
}

/// Of one observation, which `since` names.
#[derive(Debug)]
struct Observed {
    since: u64,
    /// Before this process saw it.
    before: Duration,
    seen: Instant,
}

fn version(policy: &AllocationPolicy) -> (String, i64) {
    (policy.metadata.uid.clone(), policy.metadata.generation)
}

impl Timing {
    /// Another try begins. An object that was written again begins from the first.
    pub(super) fn begin(&mut self, policy: &AllocationPolicy, at: Instant) {
        let count = self.count(policy) + 1;
        self.tried.insert(policy.name().to_owned(), Tried { version: version(policy), count, last: at });
    }

    /// Pauses are from the end: a compiler that takes its time is not started again immediately.
    pub(super) fn end(&mut self, policy: &AllocationPolicy, at: Instant) {
        if let Some(tried) = self.tried.get_mut(policy.name()) {
            tried.last = at;
        }
    }

    pub(super) fn count(&self, policy: &AllocationPolicy) -> u32 {
        let tried = self.tried.get(policy.name()).filter(|tried| tried.version == version(policy));
        tried.map_or(0, |tried| tried.count)
    }

    pub(super) fn tries(&self, policy: &AllocationPolicy, at: Instant) -> Tries {
        let last = self.tried.get(policy.name()).map(|tried| at.saturating_duration_since(tried.last));
        Tries { count: self.count(policy), last }
    }

    /// Few installations are under way at one moment: those that take minutes and fail must not take the turn of the others.
    pub(super) fn least_recently_tried<'p>(
        &self,
        policies: impl Iterator<Item = &'p AllocationPolicy>,
    ) -> Vec<&'p AllocationPolicy> {
        let mut policies: Vec<_> = policies.collect();
        policies.sort_by_key(|policy| self.tried.get(policy.name()).map(|tried| tried.last));
        policies
    }

    /// How long this node has compared a policy. `now` is the clock of reports, which an earlier agent may have read otherwise.
    pub(super) fn observed(&mut self, own: Option<&Report>, now: u64, at: Instant) -> Duration {
        let Some(own) = own.filter(|own| own.state == State::Observing) else { return Duration::ZERO };
        let known = self.observed.get(&own.name).is_some_and(|observed| observed.since == own.since);
        if !known {
            let before = Duration::from_millis(now.saturating_sub(own.since));
            self.observed.insert(own.name.clone(), Observed { since: own.since, before, seen: at });
        }
        self.observed.get(&own.name).map_or(Duration::ZERO, |observed| {
            observed.before.saturating_add(at.saturating_duration_since(observed.seen))
        })
    }

    /// Of policies that are there.
    pub(super) fn retain(&mut self, names: &[&str]) {
        self.tried.retain(|name, _| names.contains(&name.as_str()));
        self.observed.retain(|name, _| names.contains(&name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use gingham_engine::library::Digest;
    use serde_json::json;

    use super::*;

    fn observing(since: u64) -> Report {
        Report { name: "teams".to_owned(), state: State::Observing, since, ..Report::default() }
    }

    #[test]
    fn tries_are_counted_until_the_object_is_written_again() {
        let of = |generation: u64| {
            let spec = json!({"digest": Digest::of(b"x").to_string(), "source": {"inline": ""}});
            let metadata = json!({"name": "teams", "uid": "u", "generation": generation});
            AllocationPolicy::read(&json!({"metadata": metadata, "spec": spec})).unwrap()
        };
        let (mut timing, start, minute) = (Timing::default(), Instant::now(), Duration::from_mins(1));
        assert_eq!(timing.tries(&of(1), start), Tries::default());
        timing.begin(&of(1), start);
        timing.end(&of(1), start + minute * 5);
        timing.begin(&of(1), start + minute * 6);
        timing.end(&of(1), start + minute * 11);
        assert_eq!(timing.tries(&of(1), start + minute * 12), Tries { count: 2, last: Some(minute) });
        assert_eq!(timing.tries(&of(2), start + minute * 12).count, 0);
        timing.retain(&[]);
        assert_eq!(timing.tries(&of(1), start), Tries::default());
    }

    #[test]
    fn what_was_tried_last_comes_last() {
        let of = |name: &str| {
            let spec = json!({"digest": Digest::of(b"x").to_string(), "source": {"inline": ""}});
            AllocationPolicy::read(&json!({"metadata": {"name": name, "uid": "u", "generation": 1}, "spec": spec}))
                .unwrap()
        };
        let (mut timing, start, second) = (Timing::default(), Instant::now(), Duration::from_secs(1));
        let policies = ["a", "b", "c"].map(of);
        timing.begin(&policies[0], start + second);
        timing.begin(&policies[1], start);
        let names = |timing: &Timing| -> Vec<String> {
            let ordered = timing.least_recently_tried(policies.iter());
            ordered.iter().map(|policy| policy.name().to_owned()).collect()
        };
        assert_eq!(names(&timing), ["c", "b", "a"]);
        timing.end(&policies[1], start + second * 2);
        assert_eq!(names(&timing), ["c", "a", "b"]);
    }

    #[test]
    fn a_clock_that_is_set_ends_no_observation_and_lengthens_none() {
        const HOUR: u64 = 3_600_000;
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        for set in [0, 100 * HOUR, 300 * HOUR] {
            let mut timing = Timing::default();
            let own = observing(200 * HOUR);
            assert_eq!(timing.observed(Some(&own), 200 * HOUR, start), Duration::ZERO);
            assert_eq!(timing.observed(Some(&own), set, start + second * 9), second * 9, "{set}");
        }
        // Of an earlier agent, and of one whose clock was ahead.
        let mut timing = Timing::default();
        assert_eq!(timing.observed(Some(&observing(5_000)), 7_000, start), second * 2);
        assert_eq!(timing.observed(Some(&observing(9_000)), 7_000, start), Duration::ZERO);
        assert_eq!(timing.observed(Some(&observing(9_000)), 7_000, start + second * 4), second * 4);
        assert_eq!(timing.observed(None, 7_000, start), Duration::ZERO);
    }
}
