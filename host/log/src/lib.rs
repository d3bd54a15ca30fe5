//! `GINGHAM_LOG`: which events of `tracing` a program prints, and their form as a line of text. Where a line goes is the
//! program's business.

use std::env;
use std::fmt::{self, Write as _};

use gingham_untrusted::text;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const VARIABLE: &str = "GINGHAM_LOG";

#[derive(Debug, thiserror::Error)]
#[error(
    "{VARIABLE}: invalid filter {filter:?}: unknown level {level:?}; use levels and targets, such as \"debug\" or \"info,h2=debug\""
)]
pub struct FilterError {
    filter: String,
    level: String,
}

/// Prints the events that the variable asks for; without it, those up to the level `default`. With an invalid filter the
/// log starts as without it.
pub fn start(default: LevelFilter, print: impl Fn(Line) + Send + Sync + 'static) -> Result<(), FilterError> {
    let filter = env::var_os(VARIABLE).unwrap_or_default();
    let parsed = if filter.is_empty() { Ok(None) } else { parse(&filter.to_string_lossy()).map(Some) };
    let (targets, started) = match parsed {
        Ok(targets) => (targets, Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Without a subscriber an event costs one comparison.
    if targets.is_some() || default != LevelFilter::OFF {
        let targets = targets.unwrap_or_else(|| Targets::new().with_default(default));
        let subscriber = tracing_subscriber::registry().with(targets).with(Printer(print));
        // Fails only if there is a log already.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }
    started
}

/// Stricter than `Targets::from_str`, which takes a misspelt level as the name of a target.
fn parse(filter: &str) -> Result<Targets, FilterError> {
    let mut directives = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    directives.try_fold(Targets::new(), |targets, directive| {
        let (target, level) =
            directive.split_once('=').map_or((None, directive), |(target, level)| (Some(target), level));
        let unknown = |_| FilterError { filter: filter.to_owned(), level: level.to_owned() };
        let level: LevelFilter = level.trim().parse().map_err(unknown)?;
        Ok(match target {
            Some(target) => targets.with_target(target.trim(), level),
            None => targets.with_default(level),
        })
    })
}

struct Printer<P>(P);

impl<S: Subscriber, P: Fn(Line) + 'static> Layer<S> for Printer<P> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut line = Line { level, network: None, message: String::new(), fields: Map::new() };
        event.record(&mut line);
        self.0(line);
    }
}

/// One event, not escaped.
#[derive(Debug, Clone)]
pub struct Line {
    pub level: Level,
    pub network: Option<String>,
    pub message: String,
    pub fields: Map<String, Value>,
}

impl Line {
    pub fn level_name(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }

    /// `warning mynet: the store does not answer attempts=2`, escaped, without a line break.
    pub fn text(&self) -> String {
        let network = self.network.as_ref().map(|network| format!(" {network}")).unwrap_or_default();
        let mut line = format!("{}{network}: {}", self.level_name(), self.message);
        for (name, value) in &self.fields {
            // Writing to a string cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        text::line(&line).into_owned()
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "network" => self.network = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.message),
            name => drop(self.fields.insert(name.to_owned(), value.into())),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_levels_and_targets() {
        for (filter, ours, others) in [
            ("debug", true, true),
            ("info, gingham=debug,", true, false),
            ("gingham=debug", true, false),
            ("DEBUG,gingham_network=off", false, true),
            ("off", false, false),
            (",", false, false),
        ] {
            let targets = parse(filter).unwrap();
            assert_eq!(targets.would_enable("gingham_network::lock", &Level::DEBUG), ours, "{filter}");
            assert_eq!(targets.would_enable("h2::codec", &Level::DEBUG), others, "{filter}");
        }
    }

    #[test]
    fn a_misspelt_level_is_an_error_that_names_it() {
        for filter in ["debgu", "info,gingham=debgu", "gingham", "gingham=\u{fffd}"] {
            assert!(parse(filter).is_err(), "{filter}");
        }
        assert_eq!(
            parse("info,gingham=debgu").unwrap_err().to_string(),
            "GINGHAM_LOG: invalid filter \"info,gingham=debgu\": unknown level \"debgu\"; use levels and targets, such as \
             \"debug\" or \"info,h2=debug\""
        );
    }
}
