//! An installation that goes on beside the other policies: a registry may be silent for minutes, and a compiler busy.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use gingham_kubernetes::Signal;

use super::installation::InstallationError;
use super::object::AllocationPolicy;
use super::report::Report;

pub(super) struct Installing {
    policy: AllocationPolicy,
    report: Report,
    earlier: Option<Report>,
    thread: JoinHandle<Result<(), InstallationError>>,
    is_over: Arc<AtomicBool>,
}

pub(super) struct Ended {
    /// As it was when this began.
    pub(super) policy: AllocationPolicy,
    /// That it is being installed.
    pub(super) report: Report,
    /// Of the failure before.
    pub(super) earlier: Option<Report>,
    pub(super) result: Result<(), InstallationError>,
}

impl Installing {
    /// `news` is given when it ends.
    pub(super) fn start(
        policy: AllocationPolicy,
        report: Report,
        earlier: Option<Report>,
        work: impl FnOnce() -> Result<(), InstallationError> + Send + 'static,
        news: &Arc<Signal>,
    ) -> Self {
        let is_over = Arc::default();
        let end = End { is_over: Arc::clone(&is_over), news: Arc::clone(news) };
        let thread = thread::spawn(move || {
            // Also when it panics.
            let _end = end;
            work()
        });
        Self { policy, report, earlier, thread, is_over }
    }

    pub(super) fn policy(&self) -> &AllocationPolicy {
        &self.policy
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Waits until it is over.
    pub(super) fn end(self) -> Ended {
        let result = self.thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ended { policy: self.policy, report: self.report, earlier: self.earlier, result }
    }
}

struct End {
    is_over: Arc<AtomicBool>,
    news: Arc<Signal>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        self.news.notify();
    }
}
