//! Lines on standard error, for people or for machines. Whoever started this adds the time to text (journald does); JSON
//! carries it itself.
#![expect(clippy::disallowed_methods, reason = "all that is printed is printed here, escaped")]

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use gingham_untrusted::text;
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

/// What the reader of the command line says of itself.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = text::lines(&error.render().to_string());
    let stream: &mut dyn Write = if error.use_stderr() { &mut io::stderr() } else { &mut io::stdout() };
    let _ = stream.write_all(text.as_bytes());
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, Into::into)
}

fn write(level: &str, network: Option<&str>, message: &str) {
    let format = FORMAT.get().copied().unwrap_or(Format::Text);
    let line = line(format, SystemTime::now(), level, network, message);
    // There is nobody left to tell that nobody listens.
    let _ = io::stderr().lock().write_all(line.as_bytes());
}

fn line(format: Format, now: SystemTime, level: &str, network: Option<&str>, message: &str) -> String {
    let line = match (format, network) {
        (Format::Text, Some(network)) => text::line(&format!("{level} {network}: {message}")).into_owned(),
        (Format::Text, None) => text::line(&format!("{level}: {message}")).into_owned(),
        (Format::Json, Some(network)) => {
            let line = json!({"time": utc(now), "level": level, "network": network, "message": message});
            text::json(&line.to_string()).into_owned()
        }
        (Format::Json, None) => {
            text::json(&json!({"time": utc(now), "level": level, "message": message}).to_string()).into_owned()
        }
    };
    line + "\n"
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
        let written =
            |format, network| line(format, now, "warning", network, "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}");
        assert_eq!(
            written(Format::Text, Some("mynet")),
            "warning mynet: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e}\n"
        );
        assert_eq!(written(Format::Text, None), "warning: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e}\n");
        let json = written(Format::Json, Some("mynet"));
        assert!(json.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["time"], "2024-02-29T00:00:00.089Z");
        assert_eq!((&json["level"], &json["network"]), (&json!("warning"), &json!("mynet")));
        assert_eq!(json["message"], "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}");
    }
}
