//! What the runtime asks for: addresses by name, a hardware address, ranges, labels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gingham_cni::args::{ArgsError, Arguments};
use gingham_cni::config::ConfigError;
use gingham_cni::json::unless_blank;
use gingham_cni::requested;
use gingham_engine::attachment::Pod;
use gingham_net::Mac;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};

use crate::error::NetworkError;

/// From `CNI_ARGS`, `args.cni` and `runtimeConfig`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeRequest {
    /// `CNI_ARGS`.
    pub arguments: Arguments,
    /// `runtimeConfig.mac`, else `args.cni.mac`, else `MAC` of `CNI_ARGS`.
    pub mac: Option<Mac>,
    /// Addresses asked for by name, in that order of sources, without repetition.
    pub addresses: Vec<IpAddr>,
    /// `runtimeConfig.ipRanges`, for the policy to read.
    pub ip_ranges: Option<Value>,
    /// Whether the runtime sends ranges with ADD alone: the configuration declares the capability `ipRanges`.
    pub ranges_come_with_add: bool,
    pub args_labels: BTreeMap<String, String>,
    /// The pod's annotations; none where the runtime sent none at all.
    pub pod_annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    args: WrittenArgs,
    runtime_config: WrittenRuntime,
    capabilities: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenArgs {
    cni: WrittenCni,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenCni {
    ips: Vec<Address>,
    labels: Labels,
    #[serde(deserialize_with = "unless_blank")]
    mac: Option<Mac>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WrittenRuntime {
    ips: Vec<Address>,
    #[serde(deserialize_with = "unless_blank")]
    mac: Option<Mac>,
    ip_ranges: Option<Value>,
    /// What containerd sends for the capability of this name.
    #[serde(rename = "io.kubernetes.cri.pod-annotations")]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        requested::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// CNI's conventions write a list of `{key, value}`; some runtimes write an object.
#[derive(Debug, Default)]
struct Labels(BTreeMap<String, String>);

#[derive(Deserialize)]
struct Label {
    key: String,
    #[serde(default)]
    value: String,
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let labels = match value {
            Value::Array(_) => gingham_config::from_value::<Vec<Label>>(&value)
                .map(|labels| labels.into_iter().map(|label| (label.key, label.value)).collect()),
            _ => gingham_config::from_value(&value),
        };
        labels.map(Self).map_err(D::Error::custom)
    }
}

impl RuntimeRequest {
    /// Where a policy allocates.
    pub fn read(object: &Map<String, Value>, arguments: Arguments) -> Result<Self, NetworkError> {
        let of_arguments = hardware_address(&arguments)?;
        let written = gingham_config::from_map(object).map_err(ConfigError::from)?;
        let Written { args: WrittenArgs { cni }, runtime_config, capabilities } = written;
        let named = arguments.addresses.iter().copied();
        let mut addresses: Vec<IpAddr> = Vec::new();
        for address in named.chain(cni.ips.into_iter().chain(runtime_config.ips).map(|address| address.0)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Self {
            mac: runtime_config.mac.or(cni.mac).or(of_arguments),
            arguments,
            addresses,
            ip_ranges: runtime_config.ip_ranges,
            ranges_come_with_add: capabilities.is_some_and(|declared| declared["ipRanges"] == Value::Bool(true)),
            args_labels: cni.labels.0,
            pod_annotations: runtime_config.annotations,
        })
    }

    /// Where no policy allocates: the other keys may mean anything to another IPAM plugin.
    pub fn read_of_link(object: &Map<String, Value>, arguments: Arguments) -> Result<Self, NetworkError> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Sources {
            args: Args,
            runtime_config: Source,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Args {
            cni: Source,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Source {
            #[serde(deserialize_with = "unless_blank")]
            mac: Option<Mac>,
        }
        let of_arguments = hardware_address(&arguments)?;
        let sources: Sources = gingham_config::from_map(object).map_err(ConfigError::from)?;
        let mac = sources.runtime_config.mac.or(sources.args.cni.mac).or(of_arguments);
        Ok(Self { arguments, mac, ..Self::default() })
    }

    pub fn pod(&self) -> Pod {
        let value = |key| self.arguments.value(key).map(str::to_owned);
        Pod { namespace: value("K8S_POD_NAMESPACE"), name: value("K8S_POD_NAME"), uid: value("K8S_POD_UID") }
    }
}

/// The hardware address of `CNI_ARGS`.
fn hardware_address(arguments: &Arguments) -> Result<Option<Mac>, ArgsError> {
    let mac = arguments.mac.as_deref().map(str::parse::<Mac>).transpose();
    mac.map_err(|error| ArgsError::Mac { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use gingham_cni::error::Code;

    use super::*;

    fn read(text: &str, arguments: &str) -> Result<RuntimeRequest, NetworkError> {
        RuntimeRequest::read(&serde_json::from_str(text).unwrap(), Arguments::parse(arguments).unwrap())
    }

    #[test]
    fn addresses_come_from_three_places_in_order_once_each() {
        let text =
            r#"{"args":{"cni":{"ips":["10.0.0.2","10.0.0.1"]}},"runtimeConfig":{"ips":["10.0.0.3/24","10.0.0.2"]}}"#;
        let request = read(text, "IP=10.0.0.1").unwrap();
        let texts: Vec<String> = request.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    }

    #[test]
    fn labels_come_in_two_shapes_and_annotations_beside_them() {
        let list = r#"{"args":{"cni":{"labels":[{"key":"app","value":"web"}]}}}"#;
        let object = r#"{"args":{"cni":{"labels":{"app":"web"}}}}"#;
        assert_eq!(read(list, "").unwrap(), read(object, "").unwrap());
        let text = r#"{"runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"a/b":"c"}}}"#;
        assert_eq!(read(text, "").unwrap().pod_annotations.unwrap()["a/b"], "c");
        assert_eq!(read(list, "").unwrap().pod_annotations, None, "the runtime sent none");
    }

    #[test]
    fn ranges_are_passed_on_unread() {
        let request = read(r#"{"runtimeConfig":{"ipRanges":[[{"subnet":"10.0.0.0/24"}]]}}"#, "").unwrap();
        assert_eq!(request.ip_ranges.unwrap().to_string(), r#"[[{"subnet":"10.0.0.0/24"}]]"#);
    }

    #[test]
    fn ranges_come_with_add_where_the_capability_is_declared() {
        let come = |text: &str| read(text, "").unwrap().ranges_come_with_add;
        assert!(come(r#"{"capabilities":{"ipRanges":true,"portMappings":true}}"#));
        for text in ["{}", r#"{"capabilities":{"ipRanges":false}}"#, r#"{"capabilities":7}"#] {
            assert!(!come(text), "{text}");
        }
    }

    #[test]
    fn faults_name_the_key() {
        let fault = |text: &str| read(text, "").unwrap_err().to_string();
        assert!(fault(r#"{"args":{"cni":{"ips":["x"]}}}"#).starts_with("args.cni.ips[0]: "));
        assert!(fault(r#"{"runtimeConfig":{"ips":"10.0.0.1"}}"#).starts_with("runtimeConfig.ips: "));
        assert!(fault(r#"{"args":{"cni":{"labels":7}}}"#).starts_with("args.cni.labels"));
    }

    #[test]
    fn the_runtimes_hardware_address_wins_over_the_arguments() {
        let read_both = |text: &str| {
            let arguments = || Arguments::parse("MAC=02:00:00:00:00:03").unwrap();
            let object = serde_json::from_str(text).unwrap();
            let of_policy = RuntimeRequest::read(&object, arguments());
            let of_link = RuntimeRequest::read_of_link(&object, arguments());
            assert_eq!(of_policy.as_ref().map(|request| request.mac), of_link.as_ref().map(|request| request.mac));
            of_link
        };
        let mac = |text: &str| {
            read_both(text).map(|request| request.mac.unwrap().to_string()).map_err(|fault| fault.to_string())
        };
        let both = r#"{"args":{"cni":{"mac":"02:00:00:00:00:01"}},"RuntimeConfig":{"mac":"02:00:00:00:00:02"}}"#;
        assert_eq!(mac(both).unwrap(), "02:00:00:00:00:02");
        let blank = r#"{"args":{"cni":{"mac":"02:00:00:00:00:01"}},"runtimeConfig":{"mac":""}}"#;
        assert_eq!(mac(blank).unwrap(), "02:00:00:00:00:01");
        assert_eq!(mac("{}").unwrap(), "02:00:00:00:00:03");
        assert!(mac(r#"{"runtimeConfig":{"mac":"x"}}"#).unwrap_err().starts_with("runtimeConfig.mac: "));
        let fault = read("{}", "MAC=ten").unwrap_err();
        assert!(fault.code == Code::ENVIRONMENT && fault.msg.starts_with("CNI_ARGS: MAC: "), "{fault}");
    }
}
