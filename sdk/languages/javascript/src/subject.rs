//! What the running call is about: the request, the event, the network. JavaScript reads it while the call runs.

use std::cell::Cell;
use std::mem::transmute;

use gingham_sdk::{Adopted, Context, Ended, Random, Request};

#[derive(Default)]
pub(crate) struct Subject<'a> {
    pub(crate) context: Option<&'a Context<'a>>,
    pub(crate) request: Option<&'a Request<'a>>,
    pub(crate) ended: Option<&'a Ended<'a>>,
    pub(crate) adopted: Option<&'a Adopted<'a>>,
}

thread_local! {
    static SUBJECT: Cell<Option<&'static Subject<'static>>> = const { Cell::new(None) };
    /// One stream of numbers for a call, from the request's seed.
    static RANDOM: Cell<Option<Random>> = const { Cell::new(None) };
}

/// Runs a call that is about `subject`.
pub(crate) fn during<T>(subject: &Subject<'_>, call: impl FnOnce() -> T) -> T {
    // SAFETY: `SUBJECT` is emptied below, before the borrow ends, `with` gives it to nobody for longer than a closure, and
    // a panic ends the instance.
    let subject: &'static Subject<'static> = unsafe { transmute(subject) };
    RANDOM.set(None);
    SUBJECT.set(Some(subject));
    let result = call();
    SUBJECT.set(None);
    result
}

/// The subject of the running call. None while the policy is loaded.
pub(crate) fn with<T>(read: impl FnOnce(&Subject<'_>) -> T) -> Option<T> {
    SUBJECT.get().map(|subject| read(subject))
}

/// The next number of the request's stream. None where there is no request.
pub(crate) fn next_random() -> Option<u64> {
    let seeded = || with(|subject| subject.request.map(Request::random)).flatten();
    let mut random = RANDOM.take().or_else(seeded)?;
    let next = random.next_u64();
    RANDOM.set(Some(random));
    Some(next)
}
