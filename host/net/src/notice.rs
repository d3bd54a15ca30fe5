//! What is to be said of work that goes on: callers of many layers up have the log.

use std::sync::{Mutex, PoisonError};

static NOTICES: Mutex<Vec<Notice>> = Mutex::new(Vec::new());

/// Something for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether something is not as it should be.
    pub is_warning: bool,
    /// A line.
    pub text: String,
}

/// What has come up since the last call, in this process.
pub fn take() -> Vec<Notice> {
    std::mem::take(&mut NOTICES.lock().unwrap_or_else(PoisonError::into_inner))
}

pub(crate) fn put(is_warning: bool, text: String) {
    NOTICES.lock().unwrap_or_else(PoisonError::into_inner).push(Notice { is_warning, text });
}
