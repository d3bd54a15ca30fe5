//! `ipam.record`: whether a history of the network is kept.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::value::valid;
use super::{SettingsError, fault, size};

/// How much history is kept when the configuration does not say: some 20,000 requests of pods.
const MAX_SIZE: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSettings {
    /// Bytes of a network's history, the earlier half of it included.
    pub max_size: u64,
    /// Whether pods' names, labels, annotations, arguments and hardware addresses are replaced by pseudonyms.
    pub hash_personal_data: bool,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self { max_size: MAX_SIZE, hash_personal_data: false }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "max_size")]
    max_size: Option<u64>,
    hash_personal_data: bool,
}

/// What the key's value means; none if nothing is recorded.
pub(super) fn read(value: Option<&Value>) -> Result<Option<RecordSettings>, SettingsError> {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => Ok(None),
        Some(Value::Bool(true)) => Ok(Some(RecordSettings::default())),
        Some(object @ Value::Object(_)) => {
            let Written { max_size, hash_personal_data } =
                gingham_config::from_value(object).map_err(|error| error.under("record"))?;
            Ok(Some(RecordSettings { max_size: max_size.unwrap_or(MAX_SIZE), hash_personal_data }))
        }
        Some(other) => {
            let hint = "use true, false, or an object such as {\"maxSize\": \"16MiB\", \"hashPersonalData\": true}";
            Err(fault("record", format!("invalid value {other}: {hint}")))
        }
    }
}

fn max_size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    valid(from, "size", "use a size from 64KiB to 1GiB, in bytes or as \"16MiB\"", |value| {
        let bytes = value.as_u64().or_else(|| size(value.as_str()?))?;
        (64 << 10..=1 << 30).contains(&bytes).then_some(Some(bytes))
    })
}
