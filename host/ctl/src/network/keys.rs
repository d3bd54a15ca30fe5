//! Keys of a JSON object, whatever their case.

use serde_json::{Map, Value};

/// The value of a key, unless it is null.
pub(crate) fn get<'a>(object: &'a Map<String, Value>, wanted: &str) -> Option<&'a Value> {
    let any = || object.iter().filter(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next_back();
    object.get(wanted).or_else(any).filter(|value| !value.is_null())
}

/// A text that is not empty.
pub(crate) fn text<'a>(object: &'a Map<String, Value>, wanted: &str) -> Option<&'a str> {
    get(object, wanted).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Without a key.
pub(crate) fn without(mut object: Map<String, Value>, unwanted: &str) -> Map<String, Value> {
    object.retain(|key, _| !key.eq_ignore_ascii_case(unwanted));
    object
}

/// With a key, in place of what it was.
pub(crate) fn with(object: Map<String, Value>, key: &str, value: Value) -> Map<String, Value> {
    let mut object = without(object, key);
    object.insert(key.to_owned(), value);
    object
}
