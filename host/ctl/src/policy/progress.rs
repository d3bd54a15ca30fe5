//! A line while something takes long: nobody should wonder whether a compiler still works.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::{Progress, print_error};

/// A person at a terminal waits this long without a sign, and sees a new one each second.
const AT_TERMINAL: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_secs(1);
/// A log has one line, if it takes this long.
const IN_LOG: Duration = Duration::from_secs(10);

/// Runs `work` and shows on standard error that it is still running.
pub(super) fn showing<T>(what: &str, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (working, end) = channel::<()>();
        scope.spawn(move || show_until(what, &end));
        let done = work();
        drop(working);
        done
    })
}

fn show_until(what: &str, end: &Receiver<()>) {
    let started = Instant::now();
    let goes_on = |time| end.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    let Some(mut progress) = Progress::of_terminal() else {
        if goes_on(IN_LOG) {
            print_error(format!("{what}: still running after {} s", IN_LOG.as_secs()));
        }
        return;
    };
    let mut wait = AT_TERMINAL;
    while goes_on(wait) {
        progress.show(&format!("{what}: {} s", started.elapsed().as_secs()));
        wait = STEP;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_ends_at_once() {
        let started = Instant::now();
        assert_eq!(showing("adding", || 2 + 2), 4);
        assert!(started.elapsed() < AT_TERMINAL);
    }
}
