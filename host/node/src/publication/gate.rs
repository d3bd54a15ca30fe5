//! A configuration of which the plugin would refuse every ADD never comes near a node: it is read as the plugin reads it.

use std::path::Path;

use gingham_network::error::NetworkError;
use serde_json::{Map, Value};

use crate::facts::configured;
use crate::networks::Network;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GateError {
    #[error("AddressNetwork {network}: spec.config: {source}")]
    Refused { network: String, source: NetworkError },
    #[error(
        "AddressNetwork {network}: spec.config.ipam.dataDir: every node would begin with an empty record of its leases; remove the \
         key, and give gingham-node and the plugin of a node another directory there"
    )]
    DataDirectory { network: String },
}

/// `list` is what the runtime would read, `library` the directory of installed policies.
pub(crate) fn require_usable(network: &str, list: &Value, file: &Path, library: &Path) -> Result<(), GateError> {
    let mut config: Map<String, Value> = list["plugins"][0].as_object().cloned().unwrap_or_default();
    if names_data_directory(&config) {
        return Err(GateError::DataDirectory { network: network.to_owned() });
    }
    config.insert("name".to_owned(), network.into());
    config.insert("cniVersion".to_owned(), list["cniVersion"].clone());
    let read = Network { name: network.to_owned(), file: file.to_owned(), config };
    configured(&read, library)
        .and_then(|configured| configured.prepare())
        .map_err(|source| GateError::Refused { network: network.to_owned(), source })
}

/// The plugin reads keys in any case.
fn names_data_directory(config: &Map<String, Value>) -> bool {
    let of_ipam = config.iter().filter(|(key, _)| key.eq_ignore_ascii_case("ipam"));
    let mut keys = of_ipam.filter_map(|(_, ipam)| ipam.as_object()).flat_map(Map::iter);
    keys.any(|(key, value)| key.eq_ignore_ascii_case("dataDir") && !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::conflist;
    use super::*;

    fn refusal(config: &Value) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let list = match conflist("pods", config, directory.path()) {
            Ok(list) => list,
            Err(error) => return Some(error.to_string()),
        };
        require_usable("pods", &list, Path::new("pods.conflist"), directory.path()).err().map(|error| error.to_string())
    }

    #[test]
    fn what_the_plugin_would_refuse_is_refused_with_the_key() {
        let with = |key: &str, value: Value| {
            let mut config = json!({"bridge": "gingham0", "ipam": {"policy": "weave-split", "range": "10.32.0.0/12"}});
            config[key] = value;
            refusal(&config)
        };
        assert_eq!(with("mtu", json!(1400)), None);
        for (key, value) in [
            ("bridge", json!("../../x")),
            ("mtu", json!("big")),
            ("hairpinMode", json!(7)),
            ("ipMasqBackend", json!("pf")),
            ("type", json!("bridge")),
            ("ipam", json!({"policy": "weave-split", "range": "10.32.0.0/12", "cooldown": "soon"})),
        ] {
            let refused = with(key, value).unwrap_or_default();
            assert!(refused.starts_with("AddressNetwork pods: spec.config: "), "{key}: {refused}");
            assert!(refused.contains(key), "{key}: {refused}");
        }
    }

    #[test]
    fn no_object_moves_the_records_of_the_nodes() {
        for (ipam, key) in [("ipam", "dataDir"), ("ipam", "datadir"), ("IPAM", "DATADIR")] {
            let refused = refusal(&json!({ipam: {"policy": "weave-split", key: "/var/lib/other"}})).unwrap_or_default();
            assert!(refused.contains("spec.config.ipam.dataDir: every node would begin"), "{ipam}.{key}: {refused}");
        }
    }
}
