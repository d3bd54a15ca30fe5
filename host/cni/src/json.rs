//! JSON the way the reference has it: printed with four spaces and no line break at the end; a blank text read as
//! nothing.

use std::fmt::Display;
use std::str::FromStr;

use gingham_untrusted::text;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{PrettyFormatter, Serializer};

/// Writes a value whose serialisation cannot fail: structs, lists, texts and numbers, maps with text keys.
pub fn pretty(value: &impl Serialize) -> String {
    let mut written = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut written, PrettyFormatter::with_indent(b"    "));
    match value.serialize(&mut serializer) {
        Ok(()) => text::json(&String::from_utf8_lossy(&written)).into_owned(),
        Err(error) => format!("{{\"code\": 999, \"msg\": {:?}}}", error.to_string()),
    }
}

/// For `#[serde(deserialize_with)]`: the empty text counts as absent, as it does for Go's `net.IP`.
pub fn unless_blank<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}
