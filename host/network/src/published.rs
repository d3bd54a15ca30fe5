//! Configurations that the node agent writes for the runtime: where it prepares them, and how they are recognised. Who wrote
//! a file decides who may remove it.

use std::path::{Path, PathBuf};

use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};
use serde_json::{Map, Value};

/// Of the list, beside `name`: no plugin gets it.
pub const KEY: &str = "publishedBy";
pub const AGENT: &str = "gingham-node";

/// Whether the agent wrote this list.
pub fn is_published(list: &Map<String, Value>) -> bool {
    list.get(KEY).and_then(Value::as_str) == Some(AGENT)
}

/// The same of a file. One that cannot be read is not the agent's.
pub fn is_published_file(path: &Path) -> bool {
    let text = read_text(path, LARGEST_CONFIGURATION).unwrap_or_default();
    serde_json::from_str(&text).is_ok_and(|list| is_published(&list))
}

/// Where a configuration waits until the node can serve it. No runtime reads this directory; the agent and `ginghamctl` do.
pub fn staging(data_dir: &Path) -> PathBuf {
    data_dir.join("networks")
}
