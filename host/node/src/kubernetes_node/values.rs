//! The values of the installed file, mounted: one file for each. The first agent creates the network's object of them.

use std::path::{Path, PathBuf};

use gingham_kubernetes::Resource;
use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};
use ipnet::IpNet;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ValuesError {
    #[error("cannot read {path}: {reason}; it is a key of the ConfigMap gingham-network")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} is empty: give the key of the ConfigMap gingham-network a value")]
    Empty { path: PathBuf },
    #[error(
        "ConfigMap gingham-network, range: invalid network {range:?}: use a network address and its length, such as 10.32.0.0/12"
    )]
    Range { range: String },
    #[error("ConfigMap gingham-network, routing: unknown routing {routing:?}: use direct, vxlan or none")]
    Routing { routing: String },
    #[error(
        "ConfigMap gingham-network, name: {now:?} was {before:?} when this agent started: set it back, or delete the agents' pods"
    )]
    OtherName { before: String, now: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) name: String,
    range: String,
    policy: String,
    routing: String,
    bridge: String,
}

impl Values {
    pub(crate) fn read(directory: &Path) -> Result<Self, ValuesError> {
        let required = |key: &str| {
            let path = directory.join(key);
            match read_text(&path, LARGEST_CONFIGURATION) {
                Ok(text) if text.trim().is_empty() => Err(ValuesError::Empty { path }),
                Ok(text) => Ok(text.trim().to_owned()),
                Err(error) => Err(ValuesError::Unreadable { path, reason: error.to_string() }),
            }
        };
        Ok(Self {
            name: required("name")?,
            range: required("range")?,
            policy: required("policy")?,
            routing: required("routing")?,
            bridge: required("bridge")?,
        })
    }

    /// What no agent could use: an object is not corrected by a correction of the values that it was made of.
    pub(crate) fn check(&self) -> Result<(), ValuesError> {
        if !self.range.parse::<IpNet>().is_ok_and(|range| range == range.trunc()) {
            return Err(ValuesError::Range { range: self.range.clone() });
        }
        if !["direct", "vxlan", "none"].contains(&self.routing.as_str()) {
            return Err(ValuesError::Routing { routing: self.routing.clone() });
        }
        Ok(())
    }

    /// The object as it is created. What it leaves out gets the agent's defaults.
    pub(crate) fn object(&self) -> Value {
        json!({
            "apiVersion": Resource::networks().api_version(),
            "kind": "AddressNetwork",
            "metadata": {"name": self.name},
            "spec": {"config": {
                "bridge": self.bridge,
                "ipam": {"policy": self.policy, "range": self.range, "routing": self.routing},
            }},
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_manifests_values_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/base/network.yaml");
        let text = fs::read_to_string(base).unwrap();
        let (_, data) = text.split_once("\ndata:\n").unwrap();
        let keys =
            data.lines().filter_map(|line| line.trim().split_once(": ")).filter(|(key, _)| !key.starts_with('#'));
        for (key, value) in keys {
            fs::write(directory.path().join(key), value.trim_matches('"')).unwrap();
        }
        let values = Values::read(directory.path()).unwrap();
        assert_eq!(values.name, "pods");
        assert_eq!(values.object()["spec"]["config"]["ipam"]["range"], "10.32.0.0/12");
        assert!(values.check().is_ok());
        fs::write(directory.path().join("range"), "10.32.0.0/33").unwrap();
        let wrong = Values::read(directory.path()).unwrap().check().unwrap_err().to_string();
        assert!(wrong.starts_with("ConfigMap gingham-network, range: invalid network \"10.32.0.0/33\""), "{wrong}");
        fs::write(directory.path().join("range"), "\n").unwrap();
        let empty = Values::read(directory.path()).unwrap_err().to_string();
        assert!(empty.ends_with("range is empty: give the key of the ConfigMap gingham-network a value"), "{empty}");
        fs::remove_file(directory.path().join("bridge")).unwrap();
        fs::write(directory.path().join("range"), "10.0.0.0/8").unwrap();
        let missing = Values::read(directory.path()).unwrap_err().to_string();
        assert!(missing.contains("bridge"), "{missing}");
    }
}
