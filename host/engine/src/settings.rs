//! The host's own keys of `ipam`, the same for every policy, and what is left of it for the policy.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::address::IpRange;
use crate::attachment::Context;
use crate::ranges::RangeSet;
use crate::runtime::Limits;

pub mod cluster;
pub mod data_dir;
mod etcd;

use cluster::{ClusterSettings, Routing};
pub use data_dir::{DATA_DIR, default_data_dir, default_library};

/// How long a freed address rests when the configuration does not say: longer than connection tracking waits for the
/// answer to a SYN, so that no packet of the old holder's peers reaches the new one.
pub const COOLDOWN: Duration = Duration::from_mins(2);

/// The host's keys; they never reach a policy.
const HOST_KEYS: [&str; 8] = ["type", "policy", "exclude", "cooldown", "dataDir", "limits", "cluster", "routing"];

/// The settings of one network's address management.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the policy gets to see: a JSON object.
    pub policy_config: String,
    /// Never handed out.
    pub exclude: RangeSet,
    /// How long a freed address rests.
    pub cooldown: Duration,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Bounds of the policy.
    pub limits: Limits,
    /// The cluster that the range is divided in, if the configuration names one.
    pub cluster: Option<ClusterSettings>,
    /// How containers reach those of other nodes.
    pub routing: Routing,
}

/// A host key with a value that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ipam.{key}: {message}")]
pub struct SettingsError {
    /// Path below `ipam`.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Settings {
    /// Splits the `ipam` object. Keys match whatever their case; `null` means the default.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn parse(ipam: &Map<String, Value>) -> Result<Self, SettingsError> {
        // As an unknown key it would go to the policy, and the pods would have no routes.
        if ipam.keys().any(|key| key.eq_ignore_ascii_case("reach")) {
            return Err(fault("reach", "the key was renamed: use routing: direct | vxlan | none"));
        }
        let cluster = get(ipam, "cluster").map(ClusterSettings::parse).transpose()?;
        let own: Map<String, Value> =
            ipam.iter().filter(|(key, _)| !is_host_key(key)).map(|(k, v)| (k.clone(), v.clone())).collect();
        Ok(Self {
            policy_config: Value::Object(own).to_string(),
            exclude: get(ipam, "exclude").map_or(Ok(RangeSet::default()), exclude)?,
            cooldown: get(ipam, "cooldown").map_or(Ok(COOLDOWN), cooldown)?,
            data_dir: get(ipam, "dataDir").map_or_else(|| Ok(default_data_dir()), data_dir)?,
            limits: get(ipam, "limits").map_or(Ok(Limits::default()), limits)?,
            routing: Routing::parse(get(ipam, "routing"), cluster.as_ref())?,
            cluster,
        })
    }
}

impl Settings {
    /// The context of requests on a network with these settings.
    pub fn context(&self, network: &str) -> Context {
        let configured = self.cluster.as_ref().and_then(|cluster| cluster.node.clone());
        let node = configured.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Context { network: network.to_owned(), node, node_labels: None }
    }
}

fn is_host_key(key: &str) -> bool {
    HOST_KEYS.iter().any(|host| host.eq_ignore_ascii_case(key))
}

/// The last of the keys that match, unless it is null: as Go's decoder has it.
fn get<'a>(object: &'a Map<String, Value>, wanted: &str) -> Option<&'a Value> {
    let exact = object.get(wanted);
    let any = || object.iter().filter(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next_back();
    exact.or_else(any).filter(|value| !value.is_null())
}

fn fault(key: impl Into<String>, message: impl Into<String>) -> SettingsError {
    SettingsError { key: key.into(), message: message.into() }
}

fn exclude(value: &Value) -> Result<RangeSet, SettingsError> {
    let shape = "must be a list of addresses, ranges \"FIRST-LAST\" or prefixes, e.g. [\"10.1.0.0/28\", \"10.1.0.50-10.1.0.99\"]";
    let list = value.as_array().ok_or_else(|| fault("exclude", shape))?;
    let ranges = list.iter().enumerate().map(|(index, item)| {
        let key = format!("exclude[{index}]");
        let text = item.as_str().ok_or_else(|| fault(key.clone(), format!("{item} is no text; exclude {shape}")))?;
        text.parse::<IpRange>().map_err(|error| fault(key, error.to_string()))
    });
    Ok(RangeSet::new(ranges.collect::<Result<_, _>>()?))
}

fn cooldown(value: &Value) -> Result<Duration, SettingsError> {
    let message = || {
        format!(
            "{value} is no duration; write a number and a unit, e.g. \"120s\", \"2m\", \"500ms\", or \"0\" for none"
        )
    };
    let text = value.as_str().ok_or_else(|| fault("cooldown", message()))?;
    duration(text.trim()).ok_or_else(|| fault("cooldown", message()))
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "" if number == 0 => 0,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

fn data_dir(value: &Value) -> Result<PathBuf, SettingsError> {
    match value.as_str() {
        Some("") => Ok(default_data_dir()),
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err(fault("dataDir", format!("{value} is no absolute path of a directory"))),
    }
}

fn limits(value: &Value) -> Result<Limits, SettingsError> {
    let object = value.as_object().ok_or_else(|| fault("limits", "must be an object {\"fuel\": …, \"memory\": …}"))?;
    let default = Limits::default();
    let fuel = match get(object, "fuel") {
        None => default.fuel,
        Some(value) => value.as_u64().filter(|fuel| Limits::FUEL.contains(fuel)).ok_or_else(|| {
            let (least, most) = (Limits::FUEL.start(), Limits::FUEL.end());
            let message = format!("{value} is out of range: use a whole number from {least} to {most}");
            fault("limits.fuel", format!("{message} (the default is {})", default.fuel))
        })?,
    };
    let memory = match get(object, "memory") {
        None => default.memory,
        Some(value) => memory(value).ok_or_else(|| {
            let message = format!("{value} is out of range: use a size from 64KiB to 1GiB, in bytes or as \"16MiB\"");
            fault("limits.memory", format!("{message} (the default is 64MiB)"))
        })?,
    };
    Ok(Limits { fuel, memory })
}

fn memory(value: &Value) -> Option<usize> {
    let bytes = match value {
        Value::String(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let unit = match text[digits..].trim() {
                "" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return None,
            };
            text[..digits].parse::<u64>().ok()?.checked_mul(unit)?
        }
        other => other.as_u64()?,
    };
    usize::try_from(bytes).ok().filter(|bytes| Limits::MEMORY.contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Settings, String> {
        let value: Map<String, Value> = serde_json::from_str(json).unwrap();
        Settings::parse(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_hosts_keys_are_the_hosts_and_the_rest_is_the_policys() {
        let settings = parse(
            r#"{"TYPE": "gingham", "policy": "p", "Exclude": ["10.0.0.1", "10.0.0.0/30"], "coolDown": "2m",
                "datadir": "/x", "limits": {"Fuel": 5, "memory": "1MiB"}, "subnet": "10.0.0.0/8", "Own": null}"#,
        )
        .unwrap();
        assert_eq!(settings.policy_config, r#"{"Own":null,"subnet":"10.0.0.0/8"}"#);
        assert_eq!(settings.exclude.iter().map(|r| r.to_string()).collect::<Vec<_>>(), ["10.0.0.0-10.0.0.3"]);
        assert_eq!(settings.cooldown, Duration::from_mins(2));
        assert_eq!(settings.data_dir, PathBuf::from("/x"));
        assert_eq!(settings.limits, Limits { fuel: 5, memory: 1 << 20 });
    }

    #[test]
    fn null_and_absence_mean_the_default() {
        let settings =
            parse(r#"{"exclude": null, "cooldown": null, "dataDir": "", "limits": {"fuel": null}}"#).unwrap();
        assert_eq!(settings.exclude, RangeSet::default());
        assert_eq!(settings.cooldown, COOLDOWN);
        assert_eq!(settings.data_dir, PathBuf::from(DATA_DIR));
        assert_eq!(settings.limits, Limits::default());
    }

    #[test]
    fn durations_have_units() {
        let cooldown = |text: &str| parse(&format!(r#"{{"cooldown": "{text}"}}"#)).map(|settings| settings.cooldown);
        assert_eq!(cooldown("0"), Ok(Duration::ZERO));
        assert_eq!(cooldown("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(cooldown("1h"), Ok(Duration::from_hours(1)));
        for bad in ["5", "-1s", "s", "", "1.5s", "1d", "99999999999999999999s", "18446744073709551615h"] {
            assert!(cooldown(bad).unwrap_err().starts_with("ipam.cooldown: "), "{bad}");
        }
    }

    #[test]
    fn a_bad_value_names_its_key() {
        let cases = [
            (r#"{"exclude": "10.0.0.1"}"#, "ipam.exclude: "),
            (r#"{"exclude": ["10.0.0.1", "10.0.0.9-10.0.0.1"]}"#, "ipam.exclude[1]: "),
            (r#"{"exclude": [7]}"#, "ipam.exclude[0]: "),
            (r#"{"cooldown": 120}"#, "ipam.cooldown: "),
            (r#"{"dataDir": "leases"}"#, "ipam.dataDir: "),
            (r#"{"limits": 1}"#, "ipam.limits: "),
            (r#"{"limits": {"fuel": 0}}"#, "ipam.limits.fuel: "),
            (r#"{"limits": {"memory": "1kB"}}"#, "ipam.limits.memory: "),
            (
                r#"{"limits": {"memory": "2GiB"}}"#,
                "ipam.limits.memory: \"2GiB\" is out of range: use a size from 64KiB to 1GiB",
            ),
            (r#"{"limits": {"memory": 65535}}"#, "ipam.limits.memory: 65535 is out of range"),
            (
                r#"{"limits": {"fuel": 18446744073709551615}}"#,
                "ipam.limits.fuel: 18446744073709551615 is out of range: use a whole number from 1 to 500000000",
            ),
            (r#"{"limits": {"fuel": 500000001}}"#, "ipam.limits.fuel: 500000001 is out of range"),
            (r#"{"limits": {"fuel": -1}}"#, "ipam.limits.fuel: -1 is out of range"),
            (r#"{"limits": {"fuel": 1e30}}"#, "ipam.limits.fuel: "),
        ];
        for (json, begins) in cases {
            let error = parse(json).unwrap_err();
            assert!(error.starts_with(begins), "{json}: {error}");
        }
    }
}
