//! `ipam.shadow`: a second policy that answers the same requests, and whose answers are compared and never used.

use serde::Deserialize;
use serde_json::Value;

use super::{SettingsError, WrittenLimits, fault};
use crate::runtime::Limits;

/// It runs while the store is locked and decides nothing: some 20 ms, where a policy gets 100 ms.
const FUEL: u64 = 20_000_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowSettings {
    /// NAME or NAME@sha256:HEX.
    pub policy: String,
    /// A JSON object in place of the configuration of the policy that decides; none where it is the same.
    pub config: Option<String>,
    pub limits: Limits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    policy: Option<String>,
    config: Option<Value>,
    limits: WrittenLimits,
}

/// What the key's value means; none if there is no shadow.
pub(super) fn read(value: Option<&Value>) -> Result<Option<ShadowSettings>, SettingsError> {
    let written = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(policy)) if policy.is_empty() => return Ok(None),
        Some(Value::String(policy)) => Written { policy: Some(policy.clone()), ..Written::default() },
        Some(object @ Value::Object(_)) => gingham_config::from_value(object).map_err(|error| error.under("shadow"))?,
        Some(other) => {
            let hint = "use the name of a policy, or an object such as {\"policy\": \"NAME\", \"config\": {}}";
            return Err(fault("shadow", format!("invalid value {other}: {hint}")));
        }
    };
    let policy = written.policy.filter(|policy| !policy.is_empty());
    let policy = policy.ok_or_else(|| fault("shadow.policy", "a policy is required: name one, e.g. \"host-local\""))?;
    let config = match written.config {
        None | Some(Value::Null) => None,
        Some(Value::Object(object)) => Some(Value::Object(object).to_string()),
        Some(other) => {
            let hint = "use an object with the keys of the policy, or leave it out to use the same as the first policy";
            return Err(fault("shadow.config", format!("invalid value {other}: {hint}")));
        }
    };
    let limits = Limits {
        fuel: written.limits.fuel.unwrap_or(FUEL),
        memory: written.limits.memory.unwrap_or(Limits::default().memory),
        host_calls: written.limits.host_calls.unwrap_or(Limits::default().host_calls),
    };
    Ok(Some(ShadowSettings { policy, config, limits }))
}
