//! The host's own keys of `ipam`, the same for every policy, and what is left of it for the policy.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::address::IpRange;
use crate::attachment::Context;
use crate::ranges::RangeSet;
use crate::runtime::Limits;

pub mod data_dir;
mod etcd;
pub mod membership;
mod record;
pub mod routing;
mod shadow;
mod value;

pub use data_dir::{DATA_DIR, default_data_dir, default_library};
use membership::ClusterSettings;
pub use record::RecordSettings;
use routing::Routing;
pub use shadow::ShadowSettings;
use value::{number, valid};

/// The cooldown when the configuration has none: longer than connection tracking waits for the answer to a SYN, so that
/// no packet of the last holder's peers arrives at the next one.
pub const COOLDOWN: Duration = Duration::from_mins(2);

/// What `routing` was called.
const EARLIER_ROUTING: &str = "reach";

/// The host's keys; they never reach a policy.
pub const HOST_KEYS: [&str; 10] =
    ["type", "policy", "exclude", "cooldown", "dataDir", "limits", "cluster", "routing", "record", "shadow"];

/// The settings of one network's address management.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A JSON object.
    pub policy_config: String,
    /// Never handed out.
    pub exclude: RangeSet,
    /// How long a freed address is kept before another attachment gets it.
    pub cooldown: Duration,
    /// Where leases are kept.
    pub data_dir: PathBuf,
    /// Bounds of the policy.
    pub limits: Limits,
    /// None for a network of this node alone.
    pub cluster: Option<ClusterSettings>,
    /// How pods reach pods on other nodes.
    pub routing: Routing,
    /// None if no history is kept.
    pub record: Option<RecordSettings>,
    /// A second policy whose answers are compared and never used.
    pub shadow: Option<ShadowSettings>,
    /// The file that requests take their name resolution from. The policy gets the key, too.
    pub resolv_conf: Option<String>,
}

/// A host key with an invalid value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ipam.{key}: {message}")]
pub struct SettingsError {
    /// Path below `ipam`.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl From<gingham_config::ConfigError> for SettingsError {
    fn from(error: gingham_config::ConfigError) -> Self {
        fault(error.key(), error.message())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    exclude: Vec<Excluded>,
    #[serde(deserialize_with = "cooldown")]
    cooldown: Option<Duration>,
    #[serde(deserialize_with = "data_dir")]
    data_dir: Option<PathBuf>,
    limits: WrittenLimits,
    cluster: Option<membership::Written>,
    #[serde(deserialize_with = "routing::routing")]
    routing: Option<Routing>,
    record: Option<Value>,
    shadow: Option<Value>,
    resolv_conf: String,
}

#[derive(Debug, Deserialize)]
struct Excluded(#[serde(deserialize_with = "range")] IpRange);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct WrittenLimits {
    #[serde(deserialize_with = "fuel")]
    fuel: Option<u64>,
    #[serde(deserialize_with = "memory")]
    memory: Option<usize>,
    #[serde(deserialize_with = "host_calls")]
    host_calls: Option<u64>,
}

impl Settings {
    /// Splits the `ipam` object. Keys match in any case; `null` means the default.
    ///
    /// # Errors
    /// [`SettingsError`] names the key.
    pub fn parse(ipam: &Map<String, Value>) -> Result<Self, SettingsError> {
        // As an unknown key it would go to the policy, and the pods would have no routes.
        if ipam.iter().any(|(key, value)| key.eq_ignore_ascii_case(EARLIER_ROUTING) && !value.is_null()) {
            return Err(fault(EARLIER_ROUTING, "the key was renamed: use routing: direct | vxlan | none"));
        }
        let written: Written = gingham_config::from_map(ipam)?;
        let cluster = written.cluster.map(membership::Written::check).transpose()?;
        let of_policy = ipam
            .iter()
            .filter(|(key, _)| !HOST_KEYS.iter().chain([&EARLIER_ROUTING]).any(|host| host.eq_ignore_ascii_case(key)));
        let of_policy: Map<String, Value> = of_policy.map(|(key, value)| (key.clone(), value.clone())).collect();
        let default = Limits::default();
        Ok(Self {
            policy_config: Value::Object(of_policy).to_string(),
            exclude: RangeSet::new(written.exclude.into_iter().map(|excluded| excluded.0).collect()),
            cooldown: written.cooldown.unwrap_or(COOLDOWN),
            data_dir: written.data_dir.unwrap_or_else(default_data_dir),
            limits: Limits {
                fuel: written.limits.fuel.unwrap_or(default.fuel),
                memory: written.limits.memory.unwrap_or(default.memory),
                host_calls: written.limits.host_calls.unwrap_or(default.host_calls),
            },
            routing: routing::check(
                written.routing,
                cluster.as_ref().is_some_and(|cluster| cluster.store.is_shared()),
            )?,
            cluster,
            record: record::read(written.record.as_ref())?,
            shadow: shadow::read(written.shadow.as_ref())?,
            resolv_conf: Some(written.resolv_conf).filter(|path| !path.is_empty()),
        })
    }

    pub(crate) fn cooldown_millis(&self) -> u64 {
        u64::try_from(self.cooldown.as_millis()).unwrap_or(u64::MAX)
    }

    /// An address that was freed at this time or before is cooling no longer. Both are milliseconds since the epoch.
    pub fn cooldown_began(&self, now: u64) -> u64 {
        now.saturating_sub(self.cooldown_millis())
    }

    /// The context of requests on a network with these settings.
    pub fn context(&self, network: &str) -> Context {
        let configured = self.cluster.as_ref().and_then(|cluster| cluster.node.clone());
        let node = configured.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Context { network: network.to_owned(), node, node_labels: None }
    }
}

fn fault(key: impl Into<String>, message: impl Into<String>) -> SettingsError {
    SettingsError { key: key.into(), message: message.into() }
}

fn range<'de, D: Deserializer<'de>>(from: D) -> Result<IpRange, D::Error> {
    let hint = "use an address, a range FIRST-LAST or a prefix, such as \"10.1.0.0/28\"";
    valid(from, "range", hint, |value| value.as_str()?.parse().ok())
}

fn cooldown<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    valid(from, "duration", "use a number and a unit, such as \"120s\"", |value| {
        humantime::parse_duration(value.as_str()?.trim()).ok().map(Some)
    })
}

fn data_dir<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    valid(from, "path", value::ABSOLUTE, |value| match value.as_str()? {
        "" => Some(None),
        path => path.starts_with('/').then(|| Some(path.into())),
    })
}

fn fuel<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    number(from, "fuel", Limits::FUEL)
}

fn host_calls<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    number(from, "number of host calls", Limits::HOST_CALLS)
}

fn memory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    valid(from, "size", "use a size from 64KiB to 1GiB, in bytes or as \"16MiB\"", |value| {
        let bytes = value.as_u64().or_else(|| size(value.as_str()?))?;
        usize::try_from(bytes).ok().filter(|bytes| Limits::MEMORY.contains(bytes)).map(Some)
    })
}

fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
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
                "datadir": "/x", "limits": {"Fuel": 5, "memory": "1MiB", "hostcalls": 9}, "subnet": "10.0.0.0/8", "Own": null}"#,
        )
        .unwrap();
        assert_eq!(settings.policy_config, r#"{"Own":null,"subnet":"10.0.0.0/8"}"#);
        assert_eq!(settings.exclude.iter().map(|r| r.to_string()).collect::<Vec<_>>(), ["10.0.0.0-10.0.0.3"]);
        assert_eq!(settings.cooldown, Duration::from_mins(2));
        assert_eq!(settings.data_dir, PathBuf::from("/x"));
        assert_eq!(settings.limits, Limits { fuel: 5, memory: 1 << 20, host_calls: 9 });
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
        assert_eq!(cooldown("1h 30m"), Ok(Duration::from_mins(90)));
        for bad in ["soon", "5", "-1s", "s", "", "99999999999999999999s", "18446744073709551615h"] {
            let error = format!("ipam.cooldown: invalid duration {bad:?}: use a number and a unit, such as \"120s\"");
            assert_eq!(cooldown(bad), Err(error));
        }
    }

    #[test]
    fn a_history_is_kept_on_request() {
        let record = |value: &str| parse(&format!(r#"{{"record": {value}}}"#)).map(|settings| settings.record);
        assert_eq!(record("false"), Ok(None));
        assert_eq!(record("null"), Ok(None));
        assert_eq!(record("true"), Ok(Some(RecordSettings::default())));
        let small = RecordSettings { max_size: 64 << 10, hash_personal_data: true };
        assert_eq!(record(r#"{"MaxSize": "64KiB", "hashPersonalData": true}"#), Ok(Some(small)));
        assert!(record("7").unwrap_err().starts_with("ipam.record: invalid value 7: use true, false, or an object"));
        assert!(record(r#"{"maxSize": "1kB"}"#).unwrap_err().starts_with("ipam.record.maxSize: invalid size \"1kB\""));
        assert!(record(r#"{"size": 1}"#).unwrap_err().starts_with("ipam.record.size: found an unknown key"));
    }

    #[test]
    fn a_shadow_has_the_same_configuration_unless_it_has_its_own() {
        let shadow = |value: &str| parse(&format!(r#"{{"shadow": {value}}}"#)).map(|settings| settings.shadow);
        assert_eq!(shadow("\"\""), Ok(None));
        let named = shadow("\"next\"").unwrap().unwrap();
        assert_eq!((named.policy.as_str(), named.config.as_deref()), ("next", None));
        assert!(named.limits.fuel < Limits::default().fuel, "it holds the lock and decides nothing");
        let whole = r#"{"policy": "next", "config": {"subnet": "10.0.0.0/8"}, "limits": {"fuel": 7}}"#;
        let whole = shadow(whole).unwrap().unwrap();
        assert_eq!((whole.config.as_deref(), whole.limits.fuel), (Some(r#"{"subnet":"10.0.0.0/8"}"#), 7));
        assert!(shadow("{}").unwrap_err().starts_with("ipam.shadow.policy: a policy is required"));
        assert!(shadow("true").unwrap_err().starts_with("ipam.shadow: invalid value true: use the name"));
        assert!(shadow(r#"{"policy": "p", "config": []}"#).unwrap_err().starts_with("ipam.shadow.config: "));
        let limits = shadow(r#"{"policy": "p", "limits": {"fuel": 0}}"#).unwrap_err();
        assert!(limits.starts_with("ipam.shadow.limits.fuel: invalid fuel 0"), "{limits}");
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
                "ipam.limits.memory: invalid size \"2GiB\": use a size from 64KiB to 1GiB",
            ),
            (r#"{"limits": {"memory": 65535}}"#, "ipam.limits.memory: invalid size 65535: use a size from"),
            (
                r#"{"limits": {"fuel": 18446744073709551615}}"#,
                "ipam.limits.fuel: invalid fuel 18446744073709551615: use a whole number from 1 to 500000000",
            ),
            (r#"{"limits": {"fuel": 500000001}}"#, "ipam.limits.fuel: invalid fuel 500000001: use"),
            (r#"{"limits": {"fuel": -1}}"#, "ipam.limits.fuel: invalid fuel -1: use"),
            (r#"{"limits": {"fuel": 1e30}}"#, "ipam.limits.fuel: "),
            (
                r#"{"limits": {"hostCalls": 1000001}}"#,
                "ipam.limits.hostCalls: invalid number of host calls 1000001: use a whole number from 1 to 1000000",
            ),
        ];
        for (json, begins) in cases {
            let error = parse(json).unwrap_err();
            assert!(error.starts_with(begins), "{json}: {error}");
        }
    }
}
