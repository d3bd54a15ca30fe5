//! A network's configuration from a file: of CNI, or the object under `ipam` alone.

use std::path::{Path, PathBuf};

use gingham_untrusted::file::{self, FileError};
use serde_json::Value;

/// The largest configuration that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IpamFileError {
    #[error("cannot read the configuration: {0}")]
    Read(#[from] FileError),
    #[error("{}: not JSON: {source}", .path.display())]
    Syntax { path: PathBuf, source: serde_json::Error },
    #[error("{}: it has no `ipam` object: use a CNI configuration, or the object under its `ipam`", .path.display())]
    NoIpam { path: PathBuf },
}

/// The object under `ipam`.
pub(super) fn read(path: &Path) -> Result<Value, IpamFileError> {
    let bytes = file::read_argument(path, LARGEST)?;
    let syntax = |source| IpamFileError::Syntax { path: path.to_owned(), source };
    let value: Value = serde_json::from_slice(&bytes).map_err(syntax)?;
    ipam(&value).cloned().ok_or_else(|| IpamFileError::NoIpam { path: path.to_owned() })
}

fn ipam(value: &Value) -> Option<&Value> {
    let object = value.as_object()?;
    if let Some(plugins) = object.get("plugins").and_then(Value::as_array) {
        return plugins.iter().find_map(|plugin| plugin.get("ipam").filter(|ipam| ipam.is_object()));
    }
    match object.get("ipam") {
        Some(ipam) => Some(ipam).filter(|ipam| ipam.is_object()),
        // A plugin without `ipam` has a name or a version, an `ipam` object has neither.
        None => Some(value).filter(|_| !object.contains_key("cniVersion")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_ipam_object_is_found_in_all_forms() {
        let own = json!({"type": "gingham", "subnet": "10.1.0.0/24"});
        assert_eq!(ipam(&own), Some(&own));
        assert_eq!(ipam(&json!({"cniVersion": "1.1.0", "type": "gingham", "ipam": own.clone()})), Some(&own));
        let list = json!({"cniVersion": "1.1.0", "plugins": [{"type": "loopback"}, {"type": "gingham", "ipam": own}]});
        assert_eq!(ipam(&list), Some(&own));
        assert_eq!(ipam(&json!({"cniVersion": "1.1.0", "type": "loopback"})), None);
        assert_eq!(ipam(&json!(["10.1.0.0/24"])), None);
    }
}
