//! Events that this agent wrote, so that the same again is one with a count.

use std::time::{Duration, Instant};

use gingham_engine::pod_refusal::{PodRefusal, RefusalReason};

use super::All;

/// Between two writes of one Event.
const AGAIN: Duration = Duration::from_secs(10);

/// In one look: ten a second from a node on which nothing can start.
const MOST_AT_ONCE: usize = 20;

/// API servers forget Events after an hour.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// More pods than a node has.
const MOST: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) namespace: String,
    pub(super) name: String,
    uid: Option<String>,
    network: String,
    reason: RefusalReason,
}

#[derive(Debug)]
pub(super) struct One {
    /// The Event's.
    pub(super) name: String,
    pub(super) count: u64,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Posted(All<One>);

impl Key {
    pub(super) fn of(refusal: &PodRefusal) -> Self {
        Self {
            namespace: refusal.pod.namespace.clone().unwrap_or_default(),
            name: refusal.pod.name.clone().unwrap_or_default(),
            uid: refusal.pod.uid.clone(),
            network: refusal.network.clone(),
            reason: refusal.reason,
        }
    }
}

impl Posted {
    /// Those to write now. The others wait.
    pub(super) fn due(&self, waiting: Vec<PodRefusal>, now: Instant) -> Vec<PodRefusal> {
        let due = waiting.into_iter().filter(|refusal| self.is_due(&Key::of(refusal), now));
        due.take(MOST_AT_ONCE).collect()
    }

    fn is_due(&self, key: &Key, now: Instant) -> bool {
        self.0.get(key).is_none_or(|one| now.saturating_duration_since(one.at) >= AGAIN)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&One> {
        self.0.get(key)
    }

    pub(super) fn again(&mut self, key: &Key, count: u64, at: Instant) {
        if let Some(one) = self.0.get_mut(key) {
            (one.count, one.at) = (count, at);
        }
    }

    pub(super) fn insert(&mut self, key: Key, name: String, count: u64, at: Instant) {
        self.0.retain(|_, one| at.saturating_duration_since(one.at) < FORGOTTEN);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, one)| one.at).map(|(key, _)| key.clone())
        {
            self.0.remove(&oldest);
        }
        self.0.insert(key, One { name, count, at });
    }
}

#[cfg(test)]
mod tests {
    use gingham_engine::attachment::Pod;

    use super::*;

    fn refusal(name: &str) -> PodRefusal {
        let pod = Pod { namespace: Some("shop".into()), name: Some(name.into()), uid: None };
        PodRefusal::new("net", pod, RefusalReason::AddressRefused, "m", 0)
    }

    fn key(name: &str) -> Key {
        Key::of(&refusal(name))
    }

    #[test]
    fn some_are_written_at_once_and_none_that_was_written_just_now() {
        let (mut posted, start) = (Posted::default(), Instant::now());
        let all: Vec<PodRefusal> = (0..MOST_AT_ONCE + 5).map(|n| refusal(&format!("web-{n}"))).collect();
        let first = posted.due(all.clone(), start);
        assert_eq!(first, all[..MOST_AT_ONCE]);
        first.iter().for_each(|one| posted.insert(Key::of(one), "event".to_owned(), 1, start));
        assert_eq!(posted.due(all.clone(), start), all[MOST_AT_ONCE..]);
        assert_eq!(posted.due(all, start + AGAIN).len(), MOST_AT_ONCE);
    }

    #[test]
    fn one_is_written_again_after_a_while_and_they_have_a_bound() {
        let (mut posted, start) = (Posted::default(), Instant::now());
        assert!(posted.is_due(&key("web-0"), start));
        posted.insert(key("web-0"), "event".to_owned(), 1, start);
        assert!(!posted.is_due(&key("web-0"), start + AGAIN / 2) && posted.is_due(&key("web-1"), start));
        assert!(posted.is_due(&key("web-0"), start + AGAIN));
        for n in 0..MOST + 5 {
            posted.insert(key(&format!("job-{n}")), "event".to_owned(), 1, start + AGAIN);
        }
        assert_eq!(posted.0.len(), MOST);
        assert!(posted.get(&key("web-0")).is_none(), "the oldest is forgotten first");
        posted.insert(key("web-0"), "event".to_owned(), 1, start + AGAIN + FORGOTTEN);
        assert_eq!(posted.0.len(), 1);
    }
}
