use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::task::JoinHandle;

/// Prometheus and a kubelet need one each.
const MOST: usize = 32;

/// The time of a connection's last request.
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

/// The open connections.
#[derive(Default)]
pub(super) struct Connections(Vec<(JoinHandle<()>, LastRequest)>);

impl Connections {
    /// If there are too many, the connection without a request for the longest time is closed.
    pub(super) fn admit(&mut self, start: impl FnOnce(LastRequest) -> JoinHandle<()>) {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() >= MOST
            && let Some(index) = (0..self.0.len()).min_by_key(|index| self.0[*index].1.at())
        {
            self.0.swap_remove(index).0.abort();
        }
        let last = LastRequest(Arc::new(Mutex::new(Instant::now())));
        self.0.push((start(last.clone()), last));
    }
}
