//! The open connections of one listener, their number and which of them a newcomer ends. One that is being answered stays: an ADD that
//! waits for a block is one, and pods come by the hundred.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinHandle;

/// Of those without a request at the moment: they say nothing, or their request is on its way.
const MOST_WAITING: usize = 512;

/// Of those that are being answered: more than a node starts pods at a time.
const MOST_ANSWERED: usize = 256;

/// With two listeners, and what the agent has open beside them.
const DESCRIPTORS: u64 = 4096;

/// Where a process may have 1024 open files by default, the store and the API server must not be without.
pub(crate) fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
    if limit.current.is_some_and(|current| current < wanted) {
        // What is missing is reported where it is needed.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum });
    }
}

/// What a connection does.
#[derive(Clone)]
pub(super) struct Activity(Arc<Shared>);

struct Shared {
    last_request: Mutex<Instant>,
    /// Requests that are being answered.
    answering: AtomicUsize,
}

/// While a request is being answered.
pub(super) struct Answering(Arc<Shared>);

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Shared { last_request: Mutex::new(Instant::now()), answering: AtomicUsize::new(0) }))
    }

    pub(super) fn begin(&self) -> Answering {
        *self.0.last_request.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.answering.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.0))
    }

    fn is_answering(&self) -> bool {
        self.0.answering.load(Ordering::Relaxed) > 0
    }

    fn last_request(&self) -> Instant {
        *self.0.last_request.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open connections.
#[derive(Default)]
pub(super) struct Connections(Vec<(JoinHandle<()>, Activity)>);

impl Connections {
    /// Whether so many wait that newcomers are to come more slowly than requests.
    pub(super) fn is_crowded(&self) -> bool {
        self.0.iter().filter(|(_, activity)| !activity.is_answering()).count() > MOST_WAITING / 2
    }

    /// If too many wait, the one without a request for the longest time is closed; if too many are being answered, the new one.
    pub(super) fn admit(&mut self, start: impl FnOnce(Activity) -> JoinHandle<()>) {
        self.0.retain(|(task, _)| !task.is_finished());
        let waiting = || (0..self.0.len()).filter(|index| !self.0[*index].1.is_answering());
        let count = waiting().count();
        if self.0.len() - count >= MOST_ANSWERED {
            return;
        }
        if count >= MOST_WAITING
            && let Some(index) = waiting().min_by_key(|index| self.0[*index].1.last_request())
        {
            self.0.swap_remove(index).0.abort();
        }
        let activity = Activity::new();
        self.0.push((start(activity.clone()), activity));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn what_is_answered_stays_and_the_others_have_a_bound() {
        let mut connections = Connections::default();
        let mut begun = Vec::new();
        for number in 0..MOST_ANSWERED {
            connections.admit(|activity| {
                begun.push(activity.begin());
                tokio::spawn(pending())
            });
            assert_eq!(connections.0.len(), number + 1);
        }
        assert!(!connections.is_crowded());
        let mut is_started = false;
        connections.admit(|_| {
            is_started = true;
            tokio::spawn(pending())
        });
        assert!(!is_started, "one more than can be answered");

        // An answer ends, and many come that say nothing.
        begun.pop();
        for _ in 0..MOST_WAITING * 3 {
            connections.admit(|_| tokio::spawn(pending()));
            tokio::task::yield_now().await;
        }
        assert!(connections.is_crowded());
        let answered = connections.0.iter().filter(|(task, activity)| activity.is_answering() && !task.is_finished());
        assert_eq!((answered.count(), connections.0.len()), (MOST_ANSWERED - 1, MOST_ANSWERED - 1 + MOST_WAITING));
    }
}
