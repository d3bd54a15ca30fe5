//! JSON text as the reference prints it: four spaces, no line break at the end.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Writes a value whose serialisation cannot fail: structs, lists, texts and numbers, maps with text keys.
pub(super) fn pretty(value: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(512);
    let mut serializer = Serializer::with_formatter(&mut text, PrettyFormatter::with_indent(b"    "));
    match value.serialize(&mut serializer) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => format!("{{\"code\": 999, \"msg\": {:?}}}", error.to_string()),
    }
}
