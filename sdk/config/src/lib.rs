//! Reads JSON into `serde` structs the way CNI's own library, written in Go, does; so that a configuration written
//! for it means the same here.
//!
//! - Keys match a struct's fields in any case: `rangeStart`, `RangeStart` and `rangestart` are one key. If a document
//!   holds several of them, the one spelt like the field wins, else the last one.
//! - `null` leaves the field's default: give it `#[serde(default)]`, or make it an `Option`.
//! - Unknown keys are ignored, unless the struct asks otherwise with `#[serde(deny_unknown_fields)]`.
//! - A fault names the path of its key, what was found there and what is expected instead:
//!
//! ```
//! # #[derive(Debug, serde::Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Range {
//!     subnet: String,
//!     range_start: Option<std::net::IpAddr>,
//! }
//! # #[derive(Debug, serde::Deserialize)]
//! struct Ipam {
//!     ranges: Vec<Vec<Range>>,
//! }
//! # fn main() {
//! let fault = gingham_config::from_str::<Ipam>(r#"{"Ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": 7}]]}"#);
//! assert_eq!(
//!     fault.unwrap_err().to_string(),
//!     "Ranges[0][0].rangeStart: found the number 7, expected IP address"
//! );
//! # }
//! ```
//!
//! A value with its own form, such as a duration, is read by a `deserialize_with` function. Let it fail with
//! `Error::invalid_value(Unexpected::Other("duration"), &"use a number and a unit, such as \"120s\"")`: the fault reads
//! `cooldown: invalid duration "soon": use a number and a unit, such as "120s"`.
//!
//! Fields under `#[serde(flatten)]` and in untagged or internally tagged enums are matched by `serde` itself, exactly.

#![warn(missing_docs, clippy::missing_errors_doc)]

mod deserializer;
mod document;
mod error;
mod object;
mod repeated;
mod unknown;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use deserializer::At;
use document::Node;
pub use error::ConfigError;
pub use repeated::{RepeatedKey, repeated_keys};
pub use unknown::UnknownKey;

/// Reads a text. `null` as the whole document is an empty object.
///
/// # Errors
/// [`ConfigError`] if the text is not JSON (its key is empty then) or does not fit.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, ConfigError> {
    let node: Node = serde_json::from_str(text).map_err(|error| ConfigError::syntax(&error))?;
    from_node(&node)
}

/// The same, with the keys that no field took: those of a document that cannot be read as well, since one of them may be
/// the key that is missing.
///
/// # Errors
/// As [`from_str`].
pub fn from_str_noting_keys<T: DeserializeOwned>(
    text: &str,
    unknown_keys: &mut Vec<UnknownKey>,
) -> Result<T, ConfigError> {
    drop(unknown::take());
    let read = from_str(text);
    unknown_keys.extend(unknown::take());
    read
}

/// Reads a value. `null` is an empty object.
///
/// # Errors
/// [`ConfigError`] if the value does not fit.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ConfigError> {
    let node = Node::deserialize(value).map_err(|error| ConfigError::syntax(&error))?;
    from_node(&node)
}

/// Reads an object.
///
/// # Errors
/// [`ConfigError`] if the object does not fit.
pub fn from_map<T: DeserializeOwned>(map: &Map<String, Value>) -> Result<T, ConfigError> {
    let node = Node::deserialize(map).map_err(|error| ConfigError::syntax(&error))?;
    from_node(&node)
}

fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, ConfigError> {
    let empty = Node::Object(Vec::new());
    T::deserialize(At(if matches!(node, Node::Null) { &empty } else { node }))
}

#[cfg(test)]
mod tests;
