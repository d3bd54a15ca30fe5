//! The `ipam` object of a configuration file: of a network's configuration, of a list, or by itself.

use std::path::{Path, PathBuf};

use gingham_untrusted::file::{self, FileError, LARGEST_CONFIGURATION};
use serde_json::Value;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IpamObjectError {
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: FileError },
    #[error("{} is not JSON: {source}", .path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error(
        "{} has no `ipam` object; give a network configuration, a list with a plugin that has one, or the object itself",
        .path.display()
    )]
    Missing { path: PathBuf },
}

/// Reads it from a file, or from standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Value, IpamObjectError> {
    let bytes = file::read_argument(path, LARGEST_CONFIGURATION)
        .map_err(|source| IpamObjectError::Read { path: path.to_owned(), source })?;
    let whole: Value =
        serde_json::from_slice(&bytes).map_err(|source| IpamObjectError::Json { path: path.to_owned(), source })?;
    of(whole).ok_or_else(|| IpamObjectError::Missing { path: path.to_owned() })
}

fn of(whole: Value) -> Option<Value> {
    let ipam = |plugin: &Value| plugin.get("ipam").filter(|ipam| ipam.is_object()).cloned();
    let is_network = ["plugins", "ipam", "cniVersion"].iter().any(|key| whole.get(*key).is_some());
    match whole.get("plugins").and_then(Value::as_array) {
        Some(plugins) => plugins.iter().find_map(ipam),
        None if is_network => ipam(&whole),
        None => whole.is_object().then_some(whole),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_found_in_each_form() {
        let ipam = json!({"type": "gingham", "subnet": "10.0.0.0/8"});
        assert_eq!(of(ipam.clone()), Some(ipam.clone()));
        assert_eq!(of(json!({"cniVersion": "1.0.0", "type": "gingham", "ipam": ipam})), Some(ipam.clone()));
        let list = json!({"name": "n", "plugins": [{"type": "portmap"}, {"type": "gingham", "ipam": ipam}]});
        assert_eq!(of(list), Some(ipam));
        assert_eq!(of(json!({"cniVersion": "1.0.0", "type": "bridge"})), None);
        assert_eq!(of(json!([])), None);
    }
}
