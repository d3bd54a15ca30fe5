//! The network configuration on standard input: the keys that mean something whatever role the plugin plays.
//!
//! Keys of the bridge are not read here: as IPAM plugin of another main plugin, `bridge` or `mtu` are that plugin's
//! business and may mean anything.

use std::fmt;

use gingham_config::ConfigError as Fault;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::env::is_identity;
use super::version::{SpecVersion, VersionError};

/// A refused configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Standard input could not be decoded. CNI code 6.
    #[error("error unmarshall network config: {message}")]
    Undecodable {
        /// What is wrong, and where.
        message: String,
    },
    /// More than any configuration has. CNI code 6.
    #[error("standard input: more than {most} bytes, which no network configuration has; check what writes to it")]
    InputTooLong {
        /// Bytes.
        most: u64,
    },
    /// `name` is absent or empty. CNI code 7.
    #[error("missing network name")]
    MissingName,
    /// `name` holds something else than letters, digits, `_`, `.` and `-`. CNI code 7.
    #[error("invalid characters found in network name")]
    NameCharacters { name: String },
    /// `name` does not fit into the names derived from it. CNI code 7.
    #[error("name: the network name has {length} bytes, at most {} are possible", NetworkName::LONGEST)]
    NameTooLong {
        /// Bytes.
        length: usize,
    },
    /// A version this plugin does not speak. CNI code 1, or 6 if it is not a version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A version that does not know the verb. CNI code 1.
    #[error("config version does not allow {verb}")]
    VerbNotInVersion { verb: &'static str },
    /// A value that does not fit. CNI code 7.
    #[error("{key}: {message}")]
    Value {
        /// The path of the key, as the configuration spells it.
        key: String,
        /// What was found and what is expected.
        message: String,
    },
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        Self::Value { key: fault.key().to_owned(), message: fault.message().to_owned() }
    }
}

/// A network's name: as the specification wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkName(String);

impl NetworkName {
    /// Bytes. Runtimes make file names of it, which can have as many.
    pub const LONGEST: usize = 255;

    pub fn new(name: &str) -> Result<Self, ConfigError> {
        match name {
            "" => Err(ConfigError::MissingName),
            _ if !is_identity(name) => Err(ConfigError::NameCharacters { name: name.to_owned() }),
            _ if name.len() > Self::LONGEST => Err(ConfigError::NameTooLong { length: name.len() }),
            _ => Ok(Self(name.to_owned())),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NetworkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone)]
pub struct NetworkConfig {
    pub name: NetworkName,
    /// `type`: the main plugin's name.
    pub plugin: String,
    /// `ipam`, with its `type`; none for a network of layer 2.
    pub ipam: Option<Ipam>,
    /// `prevResult`, unread.
    pub prev_result: Option<Value>,
    pub object: Map<String, Value>,
    /// `cniVersion`, read by [`NetworkConfig::version`] only: an unknown verb is reported before an unknown version.
    cni_version: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipam {
    /// `type`: a policy's or another IPAM plugin's name.
    pub plugin: String,
    /// `policy`: a policy's name, perhaps with a digest.
    pub policy: Option<String>,
    pub object: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    cni_version: String,
    name: String,
    r#type: String,
    ipam: Map<String, Value>,
    prev_result: Option<Value>,
}

/// The one key without which nothing can be done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenName {
    #[serde(rename = "name")]
    _name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenIpam {
    r#type: Option<String>,
    policy: Option<String>,
}

impl NetworkConfig {
    pub fn parse(input: &[u8]) -> Result<Self, ConfigError> {
        let object = decode(input)?;
        let written = gingham_config::from_map(&object).map_err(decoding_fault)?;
        let ipam = |ipam: Map<String, Value>| read_ipam(ipam);
        Self::from_written(written, object, ipam)
    }

    /// Reads standard input for a verb that must work with what it gets: a key at fault counts as absent and its fault
    /// is handed to `report`. The network's name has to be there.
    pub fn parse_tolerant(input: &[u8], mut report: impl FnMut(&ConfigError)) -> Result<Self, ConfigError> {
        let mut object = decode(input)?;
        if let Err(fault) = gingham_config::from_map::<WrittenName>(&object) {
            return Err(decoding_fault(fault));
        }
        let written = read_tolerant(&mut object, &mut report)?;
        let ipam = |ipam: Map<String, Value>| {
            Ok(read_ipam(ipam).unwrap_or_else(|fault| {
                report(&fault);
                None
            }))
        };
        Self::from_written(written, object, ipam)
    }

    fn from_written(
        written: Written,
        object: Map<String, Value>,
        ipam: impl FnOnce(Map<String, Value>) -> Result<Option<Ipam>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            name: NetworkName::new(&written.name)?,
            plugin: written.r#type,
            ipam: ipam(written.ipam)?,
            prev_result: written.prev_result,
            object,
            cni_version: written.cni_version,
        })
    }

    /// `cniVersion`, provided that this plugin speaks it.
    pub fn version(&self) -> Result<SpecVersion, ConfigError> {
        Ok(SpecVersion::read(Some(&self.cni_version))?)
    }

    /// The version of a verb that came with `since`.
    pub fn version_for(&self, verb: &'static str, since: SpecVersion) -> Result<SpecVersion, ConfigError> {
        let version = self.version()?;
        if version < since { Err(ConfigError::VerbNotInVersion { verb }) } else { Ok(version) }
    }
}

fn decode(input: &[u8]) -> Result<Map<String, Value>, ConfigError> {
    // As Go has it, `null` is an object without keys.
    let object: Option<Map<String, Value>> =
        serde_json::from_slice(input).map_err(|error| ConfigError::Undecodable { message: error.to_string() })?;
    Ok(object.unwrap_or_default())
}

/// What every plugin needs to know of a configuration counts as its encoding; the rest are values.
fn decoding_fault(fault: Fault) -> ConfigError {
    if ["cniversion", "name", "type"].contains(&fault.key().to_ascii_lowercase().as_str()) {
        return ConfigError::Undecodable { message: fault.to_string() };
    }
    fault.into()
}

fn read_ipam(object: Map<String, Value>) -> Result<Option<Ipam>, ConfigError> {
    if object.is_empty() {
        return Ok(None);
    }
    let written: WrittenIpam = gingham_config::from_map(&object).map_err(|fault| fault.under("ipam"))?;
    let Some(plugin) = written.r#type else {
        return Err(ConfigError::Value {
            key: "ipam.type".to_owned(),
            message: "found nothing: name a policy or an IPAM plugin, or remove ipam for a network of layer 2"
                .to_owned(),
        });
    };
    if plugin.is_empty() {
        // As in the reference: written down, and none.
        return Ok(None);
    }
    let policy = written.policy.filter(|policy| !policy.is_empty());
    Ok(Some(Ipam { plugin, policy, object }))
}

/// Reads keys into a `T`; those at fault are reported, taken out of the object, and left at their default.
pub fn read_tolerant<T: serde::de::DeserializeOwned>(
    object: &mut Map<String, Value>,
    mut report: impl FnMut(&ConfigError),
) -> Result<T, ConfigError> {
    loop {
        let fault = match gingham_config::from_map(object) {
            Ok(read) => return Ok(read),
            Err(fault) => fault,
        };
        let Some(key) = top_level_key(object, fault.key()) else { return Err(fault.into()) };
        object.remove(&key);
        report(&fault.into());
    }
}

/// The object's own key that a fault's path starts with. Keys may hold dots themselves (`cni.dev/attachments`).
fn top_level_key(object: &Map<String, Value>, path: &str) -> Option<String> {
    let starts = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    object.keys().filter(starts).max_by_key(|key| key.len()).cloned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(input: &str) -> String {
        NetworkConfig::parse(input.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn keys_match_in_any_case_and_null_is_the_default() {
        let input =
            br#"{"CNIVERSION":"1.0.0","Name":"n","TYPE":"gingham","IPAM":{"Type":"host-local"},"prevResult":null}"#;
        let config = NetworkConfig::parse(input).unwrap();
        assert_eq!(config.version(), Ok(SpecVersion::V1_0_0));
        assert_eq!(config.ipam.unwrap().plugin, "host-local");
        assert_eq!(config.prev_result, None);
    }

    #[test]
    fn no_ipam_is_layer_2() {
        for ipam in ["", r#","ipam":{}"#, r#","ipam":null"#, r#","ipam":{"type":""}"#] {
            let input = format!(r#"{{"name":"n","type":"gingham"{ipam}}}"#);
            assert_eq!(NetworkConfig::parse(input.as_bytes()).unwrap().ipam, None, "{ipam}");
        }
    }

    #[test]
    fn faults_have_the_reference_words_and_name_the_key() {
        assert!(fault("").starts_with("error unmarshall network config: EOF"));
        assert!(fault("[]").starts_with("error unmarshall network config: "));
        assert!(fault("{\"name\":7}").starts_with("error unmarshall network config: name: found the number 7"));
        assert_eq!(fault("{}"), "missing network name");
        assert_eq!(fault("null"), "missing network name");
        assert_eq!(fault(r#"{"name":"a/b"}"#), "invalid characters found in network name");
        assert!(fault(r#"{"name":"n","ipam":[]}"#).starts_with("ipam: found a list"));
        assert!(fault(r#"{"name":"n","ipam":{"type":7}}"#).starts_with("ipam.type: found the number 7"));
        assert!(fault(r#"{"name":"n","ipam":{"subnet":"x"}}"#).starts_with("ipam.type: found nothing"));
        assert!(fault(&format!(r#"{{"name":"{}"}}"#, "n".repeat(256))).starts_with("name: "));
    }

    #[test]
    fn a_verb_has_its_version() {
        let config = NetworkConfig::parse(br#"{"name":"n","cniVersion":"0.3.1"}"#).unwrap();
        let error = config.version_for("CHECK", SpecVersion::V0_4_0).unwrap_err();
        assert_eq!(error.to_string(), "config version does not allow CHECK");
    }

    #[test]
    fn a_tolerant_reader_reports_and_goes_on() {
        let mut faults = Vec::new();
        let input = br#"{"name":"n","type":"gingham","cniVersion":[],"ipam":{"type":7}}"#;
        let config = NetworkConfig::parse_tolerant(input, |fault| faults.push(fault.to_string())).unwrap();
        assert_eq!(config.plugin, "gingham");
        assert_eq!(config.ipam, None);
        assert_eq!(faults.len(), 2, "{faults:?}");
        let nameless = NetworkConfig::parse_tolerant(br#"{"name":7}"#, |_| ()).unwrap_err().to_string();
        assert!(nameless.starts_with("error unmarshall network config: name: found the number 7"), "{nameless}");
    }

    #[test]
    fn a_path_finds_its_key_even_with_dots() {
        let object = decode(br#"{"cni.dev/attachments":1,"cni":2}"#).unwrap();
        assert_eq!(top_level_key(&object, "cni.dev/attachments[0].x").as_deref(), Some("cni.dev/attachments"));
        assert_eq!(top_level_key(&object, "cni.mac").as_deref(), Some("cni"));
        assert_eq!(top_level_key(&object, "cnix"), None);
    }

    proptest! {
        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = NetworkConfig::parse(&input);
            let _ = NetworkConfig::parse_tolerant(&input, |_| ());
        }

        #[test]
        fn no_object_panics(name in "\\PC*", key in "name|type|ipam|cniVersion|prevResult", value in "\"\\PC{0,5}\"|[0-9]|null|\\{\\}|\\[\\]") {
            let input = format!("{{{name:?}:1,\"Name\":\"n\",{key:?}:{value}}}");
            let _ = NetworkConfig::parse(input.as_bytes());
            let _ = NetworkConfig::parse_tolerant(input.as_bytes(), |_| ());
        }
    }
}
