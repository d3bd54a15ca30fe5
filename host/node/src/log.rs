//! Lines on standard error, for people or for machines. Whoever started this adds the time to text (journald does); JSON
//! carries it itself.

use std::io::Write;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `warning mynet: the store does not answer`
    Text,
    /// An object a line: time, level, network, message
    Json,
}

static FORMAT: OnceLock<Format> = OnceLock::new();

/// Says once how lines are written.
pub(crate) fn start(format: Format) {
    let _ = FORMAT.set(format);
}

/// Something happened that somebody may want to know.
pub(crate) fn info(network: Option<&str>, message: &str) {
    write("info", network, message);
}

/// Something is not as it should be, and goes on nevertheless.
pub(crate) fn warning(network: Option<&str>, message: &str) {
    write("warning", network, message);
}

/// Something does not work.
pub(crate) fn error(network: Option<&str>, message: &str) {
    write("error", network, message);
}

fn write(level: &str, network: Option<&str>, message: &str) {
    let format = FORMAT.get().copied().unwrap_or(Format::Text);
    let line = line(format, SystemTime::now(), level, network, message);
    // There is nobody left to tell that nobody listens.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn line(format: Format, now: SystemTime, level: &str, network: Option<&str>, message: &str) -> String {
    match (format, network) {
        (Format::Text, Some(network)) => format!("{level} {network}: {}\n", on_one_line(message)),
        (Format::Text, None) => format!("{level}: {}\n", on_one_line(message)),
        (Format::Json, Some(network)) => {
            let line = json!({"time": utc(now), "level": level, "network": network, "message": message});
            format!("{line}\n")
        }
        (Format::Json, None) => format!("{}\n", json!({"time": utc(now), "level": level, "message": message})),
    }
}

fn on_one_line(message: &str) -> String {
    message.replace('\n', " ")
}

/// `2026-03-04T05:06:07.089Z`
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / 86_400);
    let of_day = seconds % 86_400;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's algorithm, which starts the year in March).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let of_era_years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_years + of_era_years / 4 - of_era_years / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + of_era_years + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_lines() {
        let now = UNIX_EPOCH + Duration::from_millis(1_709_164_800_089);
        let written = |format, network| line(format, now, "warning", network, "two\nlines \"quoted\"");
        assert_eq!(written(Format::Text, Some("mynet")), "warning mynet: two lines \"quoted\"\n");
        assert_eq!(written(Format::Text, None), "warning: two lines \"quoted\"\n");
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, Some("mynet"))).unwrap();
        assert_eq!(json["time"], "2024-02-29T00:00:00.089Z");
        assert_eq!((&json["level"], &json["network"]), (&json!("warning"), &json!("mynet")));
        assert_eq!(json["message"], "two\nlines \"quoted\"");
    }
}
