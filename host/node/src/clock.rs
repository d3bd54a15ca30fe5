use jiff::Timestamp;

/// In milliseconds since the epoch, as in the store.
pub(crate) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}
