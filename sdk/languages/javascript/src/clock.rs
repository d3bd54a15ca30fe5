//! The clock of `Date`: the time of the request or event.

use std::cell::Cell;
use std::time::SystemTime;

use gingham_sdk::{Adopted, Ended, Request};

use crate::subject;

thread_local! {
    /// Whether a call read the time where there is none.
    static MISREAD: Cell<bool> = const { Cell::new(false) };
}

/// Milliseconds since 1970.
pub(crate) fn now() -> Option<u64> {
    let now = subject::with(|subject| {
        let request = subject.request.map(Request::now);
        request.or_else(|| subject.ended.map(Ended::now)).or_else(|| subject.adopted.map(Adopted::now))
    });
    now.flatten().map(millis)
}

pub(crate) fn millis(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// What is wrong if `Date` was read where there is no time.
pub(crate) fn misread() -> Option<&'static str> {
    MISREAD.take().then_some(
        "the policy reads the clock (Date) where there is none: only allocate, release and adopt have a time, that of \
         their request or event",
    )
}

/// Forgets what was read while the engine started.
pub(crate) fn start() {
    MISREAD.set(false);
}

/// What rquickjs takes for a function of the host.
#[unsafe(no_mangle)]
extern "C" fn __rquickjs_host_now_us() -> f64 {
    #[allow(clippy::cast_precision_loss)] // JavaScript has no better numbers.
    let micros = now().map(|millis| millis as f64 * 1000.0);
    micros.unwrap_or_else(|| {
        MISREAD.set(true);
        0.0
    })
}
