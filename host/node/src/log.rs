//! Log lines on standard error, for people or for machines. The service manager adds the time to text (journald does); JSON
//! contains it.
#![expect(clippy::disallowed_methods, reason = "all that is printed is printed here, escaped")]

use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::process::ExitCode;

use gingham_untrusted::text;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, ParseError, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const FILTER: &str = "GINGHAM_LOG";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `warning mynet: the store does not answer`
    Text,
    /// One object per line: time, level, network, message
    Json,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error(
        "{FILTER}: invalid filter {filter:?}: {source}; use levels and targets, such as \"debug\" or \"info,h2=debug\""
    )]
    Invalid { filter: String, source: ParseError },
}

/// Starts to log. With an invalid filter the log starts without it.
pub(crate) fn start(format: Format) -> Result<(), FilterError> {
    let filter = env::var(FILTER).unwrap_or_default();
    let parsed = if filter.is_empty() { Ok(info()) } else { filter.parse::<Targets>() };
    let (targets, started) = match parsed {
        Ok(targets) => (targets, Ok(())),
        Err(source) => (info(), Err(FilterError::Invalid { filter, source })),
    };
    let subscriber = tracing_subscriber::registry().with(targets).with(Lines(format));
    // Fails only if there is a log already.
    let _ = tracing::subscriber::set_global_default(subscriber);
    started
}

fn info() -> Targets {
    Targets::new().with_default(LevelFilter::INFO)
}

/// Prints a usage error, or the help.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let text = text::lines(&error.render().to_string());
    let stream: &mut dyn Write = if error.use_stderr() { &mut io::stderr() } else { &mut io::stdout() };
    let _ = stream.write_all(text.as_bytes());
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, Into::into)
}

/// Writes each event as one line.
struct Lines(Format);

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = line(self.0, Timestamp::now(), *event.metadata().level(), fields);
        // A failure cannot be logged.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

#[derive(Default)]
struct Fields {
    network: Option<String>,
    message: String,
    others: Map<String, Value>,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "network" => self.network = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.message),
            name => drop(self.others.insert(name.to_owned(), value.into())),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.others.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

fn line(format: Format, now: Timestamp, level: Level, fields: Fields) -> String {
    let level = if level == Level::WARN { "warning".to_owned() } else { level.to_string().to_lowercase() };
    let Fields { network, message, others } = fields;
    let line = match format {
        Format::Text => {
            let network = network.map(|network| format!(" {network}")).unwrap_or_default();
            let mut line = format!("{level}{network}: {message}");
            for (name, value) in &others {
                // Writing to a string cannot fail.
                let _ = write!(line, " {name}={value}");
            }
            text::line(&line).into_owned()
        }
        Format::Json => {
            let mut object = others;
            object.insert("time".to_owned(), format!("{now:.3}").into());
            object.insert("level".to_owned(), level.into());
            object.extend(network.map(|network| ("network".to_owned(), network.into())));
            object.insert("message".to_owned(), message.into());
            text::json(&Value::from(object).to_string()).into_owned()
        }
    };
    line + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_one_escaped_line() {
        let now = Timestamp::from_millisecond(1_709_164_800_089).unwrap();
        let written = |format, network: Option<&str>| {
            let message = "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}".to_owned();
            let others = [("routes".to_owned(), json!(2))].into_iter().collect();
            line(format, now, Level::WARN, Fields { network: network.map(str::to_owned), message, others })
        };
        assert_eq!(
            written(Format::Text, Some("mynet")),
            "warning mynet: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e} routes=2\n"
        );
        assert_eq!(
            written(Format::Text, None),
            "warning: two\\nlines \"quoted\" \\u{1b}[2J\\u{9b}\\u{202e} routes=2\n"
        );
        let json = written(Format::Json, Some("mynet"));
        assert!(json.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["time"], "2024-02-29T00:00:00.089Z");
        assert_eq!(
            (&json["level"], &json["network"], &json["routes"]),
            (&json!("warning"), &json!("mynet"), &json!(2))
        );
        assert_eq!(json["message"], "two\nlines \"quoted\" \u{1b}[2J\u{9b}\u{202e}");
    }
}
