//! Times as people read them. All times are milliseconds since the epoch, as in the store.

use std::time::Duration;

pub(crate) use gingham_engine::clock::now;

/// `2026-03-04T05:06:07Z`
pub(crate) fn utc(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1_000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// `5 min ago`
pub(crate) fn ago(millis: u64, now: u64) -> String {
    // A second is what clocks of one machine differ by.
    if millis > now.saturating_add(1_000) {
        return "in the future, the clock was set back".to_owned();
    }
    let seconds = now.saturating_sub(millis) / 1_000;
    match seconds {
        0 => "just now".to_owned(),
        1..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// `3.1 ms`
pub(crate) fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        // A ping between namespaces of one machine.
        0..100 => format!("0.{micros:03} ms"),
        100..1_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        1_000..10_000_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} s", micros / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_709_251_199_999), "2024-02-29T23:59:59Z");
        assert_eq!(utc(4_107_542_400_000), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn the_past_in_words() {
        let words = [0, 59, 119, 120, 7_199, 7_200, 172_800].map(|seconds| ago(0, seconds * 1_000));
        assert_eq!(words, ["just now", "59 s ago", "119 s ago", "2 min ago", "119 min ago", "2 h ago", "2 days ago"]);
        assert_eq!(ago(1_000, 500), "just now");
        assert_eq!(ago(5_000, 0), "in the future, the clock was set back");
    }

    #[test]
    fn durations_have_up_to_three_digits() {
        let told = [4, 42, 420, 4_210, 42_100].map(|micros| format_duration(Duration::from_micros(micros)));
        assert_eq!(told, ["0.004 ms", "0.042 ms", "0.42 ms", "4.2 ms", "42.1 ms"]);
        assert_eq!(format_duration(Duration::from_secs(12)), "12 s");
    }
}
