//! What TOML has and a configuration, which is JSON on a node, has not.

use serde_json::{Map, Value};

/// The key under which the toml crate hands on a date.
const DATE: &str = "$__toml_private_datetime";

/// A value of a configuration that no node could read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    #[error("`{key}` is a date, and dates are not JSON: write it in quotes")]
    Date { key: String },
    #[error("`{key}` is inf or nan, and JSON has no such number: write a finite number, or text in quotes")]
    NotFinite { key: String },
}

impl NotJson {
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Date { key } | Self::NotFinite { key } => key,
        }
    }
}

/// The first such value of a configuration.
pub(super) fn not_json(config: &Map<String, Value>) -> Option<NotJson> {
    config.iter().find_map(|(key, value)| of_value(key, value))
}

fn of_value(key: &str, value: &Value) -> Option<NotJson> {
    match value {
        // TOML has no null: serde_json makes it of a number that is not finite.
        Value::Null => Some(NotJson::NotFinite { key: key.to_owned() }),
        Value::Array(items) => items.iter().find_map(|item| of_value(key, item)),
        Value::Object(object) if object.contains_key(DATE) => Some(NotJson::Date { key: key.to_owned() }),
        Value::Object(object) => not_json(object),
        _ => None,
    }
}
