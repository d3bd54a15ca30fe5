//! Configurations of others in the runtime's directory. They are never renamed: their owner decides.

use std::fs;
use std::path::{Path, PathBuf};

/// The first file that a runtime takes instead of `own`.
pub(super) fn first(directory: &Path, own: &str) -> Option<PathBuf> {
    let names = fs::read_dir(directory).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_configuration = |name: &String| {
        let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("conf" | "conflist" | "json"))
    };
    names.filter(|name| is_configuration(name) && name.as_str() < own).min().map(|name| directory.join(name))
}
