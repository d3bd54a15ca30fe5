//! Keys that no field took. serde has no place to put them, so they are noted beside it, for the thread that reads.

use std::cell::RefCell;

/// A key of an object that no field of its struct took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key as the document spells it.
    pub key: String,
    /// The names of the struct's fields.
    pub known: &'static [&'static str],
}

thread_local! {
    static NOTED: RefCell<Vec<UnknownKey>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn note(key: &str, known: &'static [&'static str]) {
    NOTED.with_borrow_mut(|noted| noted.push(UnknownKey { key: key.to_owned(), known }));
}

/// What was noted since the last call.
pub(crate) fn take() -> Vec<UnknownKey> {
    NOTED.take()
}
