//! Values with a form of their own: an error repeats the value and has a hint.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) const ABSOLUTE: &str = "use an absolute path";

/// Fails with `invalid NAME VALUE: HINT`.
pub(super) fn valid<'de, D: Deserializer<'de>, T>(
    from: D,
    name: &str,
    hint: &str,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, D::Error> {
    read(&Value::deserialize(from)?).ok_or_else(|| D::Error::invalid_value(Unexpected::Other(name), &hint))
}

pub(super) fn number<'de, D: Deserializer<'de>, T: TryFrom<u64> + PartialOrd + Display>(
    from: D,
    name: &str,
    bounds: RangeInclusive<T>,
) -> Result<Option<T>, D::Error> {
    let hint = format!("use a whole number from {} to {}", bounds.start(), bounds.end());
    valid(from, name, &hint, |value| {
        T::try_from(value.as_u64()?).ok().filter(|number| bounds.contains(number)).map(Some)
    })
}

pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    valid(from, "path", ABSOLUTE, |value| {
        value.as_str().filter(|path| path.starts_with('/')).map(|path| Some(path.into()))
    })
}
