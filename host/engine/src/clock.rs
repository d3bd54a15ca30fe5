//! The clock of the store's times: what is recorded outlives processes and boots, so it is the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

/// In milliseconds since the epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
