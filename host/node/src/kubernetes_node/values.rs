//! The values of the installed file, mounted: one file for each. The first agent creates the network's object of them.

use std::path::{Path, PathBuf};

use gingham_kubernetes::Resource;
use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ValuesError {
    #[error("cannot read {path}: {reason}; it is a key of the ConfigMap gingham-network")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} is empty: give the key of the ConfigMap gingham-network a value")]
    Empty { path: PathBuf },
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
        fs::write(directory.path().join("range"), "\n").unwrap();
        let empty = Values::read(directory.path()).unwrap_err().to_string();
        assert!(empty.ends_with("range is empty: give the key of the ConfigMap gingham-network a value"), "{empty}");
        fs::remove_file(directory.path().join("bridge")).unwrap();
        fs::write(directory.path().join("range"), "10.0.0.0/8").unwrap();
        let missing = Values::read(directory.path()).unwrap_err().to_string();
        assert!(missing.contains("bridge"), "{missing}");
    }
}
