//! The connections that are open. They are few, and whoever is silent makes room for whoever comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

/// Prometheus and a kubelet need one each.
const AT_MOST: usize = 32;

/// When a connection was last asked something.
#[derive(Clone)]
pub(super) struct LastRequest(Arc<Mutex<Instant>>);

impl LastRequest {
    pub(super) fn is_now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections that are open.
#[derive(Default)]
pub(super) struct Connections(Vec<(JoinHandle<()>, LastRequest)>);

impl Connections {
    /// One more. If there are too many then, the one is closed that was asked nothing for the longest time.
    pub(super) fn admit(&mut self, start: impl FnOnce(LastRequest) -> JoinHandle<()>) {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() >= AT_MOST
            && let Some(index) = (0..self.0.len()).min_by_key(|index| self.0[*index].1.at())
        {
            self.0.swap_remove(index).0.abort();
        }
        let last = LastRequest(Arc::new(Mutex::new(Instant::now())));
        self.0.push((start(last.clone()), last));
    }
}
