//! Log lines on standard error, for people or for machines. The service manager adds the time to text (journald does); JSON
//! contains it.
#![expect(clippy::disallowed_methods, reason = "all that is printed is printed here, escaped")]

use std::io::{self, Write};
use std::process::ExitCode;

use gingham_log::{FilterError, Line};
use gingham_untrusted::text;
use jiff::Timestamp;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `warning mynet: the store does not answer`
    Text,
    /// One object per line: time, level, network, message
    Json,
}

/// Starts to log. With an invalid filter the log starts without it.
pub(crate) fn start(format: Format) -> Result<(), FilterError> {
    gingham_log::start(LevelFilter::INFO, move |line| {
        let line = render(format, Timestamp::now(), line) + "\n";
        // A failure cannot be logged.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    })
}

/// Prints a usage error, or the help.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = text::lines(&error.render().to_string());
    let stream: &mut dyn Write = if error.use_stderr() { &mut io::stderr() } else { &mut io::stdout() };
    let _ = stream.write_all(text.as_bytes());
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, Into::into)
}

fn render(format: Format, now: Timestamp, line: Line) -> String {
    if format == Format::Text {
        return line.text();
    }
    let level = line.level_name();
    let Line { network, message, fields: mut object, .. } = line;
    object.insert("time".to_owned(), format!("{now:.3}").into());
    object.insert("level".to_owned(), level.into());
    object.extend(network.map(|network| ("network".to_owned(), network.into())));
    object.insert("message".to_owned(), message.into());
    text::json(&Value::from(object).to_string()).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tracing::Level;

    use super::*;

    #[test]
    fn an_event_is_one_escaped_line() {
        let now = Timestamp::from_millisecond(1_709_164_800_089).unwrap();
        let written = |format, network: Option<&str>| {
            let message = "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}".to_owned();
            let fields = [("routes".to_owned(), json!(2))].into_iter().collect();
            render(format, now, Line { level: Level::WARN, network: network.map(str::to_owned), message, fields })
        };
        assert_eq!(
            written(Format::Text, Some("mynet")),
            "warning mynet: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e} routes=2"
        );
        assert_eq!(written(Format::Text, None), "warning: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e} routes=2");
        let json = written(Format::Json, Some("mynet"));
        assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["time"], "2024-02-29T00:00:00.089Z");
        assert_eq!(
            (&json["level"], &json["network"], &json["routes"]),
            (&json!("warning"), &json!("mynet"), &json!(2))
        );
        assert_eq!(json["message"], "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}");
    }
}
