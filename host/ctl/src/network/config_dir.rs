//! The directory where a node's network configurations are.

use std::io;
use std::path::{Path, PathBuf};

use super::configuration::{Configuration, ConfigurationError};
use crate::cli::CONFIG_DIR;

/// A network that is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigDirError {
    #[error("cannot read the directory of network configurations {path}: {source}; --config-dir names another")]
    Directory { path: PathBuf, source: io::Error },
    #[error("the directory of network configurations {path} does not exist; name another with --config-dir")]
    Missing { path: PathBuf },
    #[error("no network {name:?} in {directory}{there}; use a path for a file")]
    Unknown { name: String, directory: PathBuf, there: String },
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
}

/// A file of the directory.
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) configuration: Result<Configuration, ConfigurationError>,
}

/// Everything that a runtime would read there, in its order. A directory that is not there has nothing.
pub(crate) fn list(directory: &Path) -> Result<Vec<Entry>, ConfigDirError> {
    tracing::debug!(directory = %directory.display(), "list network configurations");
    let fault = |source| ConfigDirError::Directory { path: directory.to_owned(), source };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fault)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(fault)?.path();
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        // Runtimes pass over directories, too.
        if ["conf", "conflist", "json"].contains(&kind) && !path.is_dir() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths.into_iter().map(|path| Entry { configuration: Configuration::read(&path), path }).collect())
}

/// A directory that an option names is there. That of runtimes may be made later.
pub(crate) fn require(directory: &Path) -> Result<(), ConfigDirError> {
    if directory == Path::new(CONFIG_DIR) || directory.exists() {
        return Ok(());
    }
    Err(ConfigDirError::Missing { path: directory.to_owned() })
}

/// A network by its name, or by the path of its file.
pub(crate) fn find(network: &str, directory: &Path) -> Result<Configuration, ConfigDirError> {
    if network == "-" || network.contains('/') || Path::new(network).is_file() {
        return Ok(Configuration::read_argument(Path::new(network))?);
    }
    let there: Vec<Configuration> = list(directory)?.into_iter().filter_map(|entry| entry.configuration.ok()).collect();
    let names: Vec<String> = there.iter().map(|configuration| configuration.name.clone()).collect();
    there.into_iter().find(|configuration| configuration.name == network).ok_or_else(|| ConfigDirError::Unknown {
        name: network.to_owned(),
        directory: directory.to_owned(),
        there: if names.is_empty() { String::new() } else { format!(" (networks: {})", names.join(", ")) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_found_by_name_and_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let conf = |name: &str| format!(r#"{{"cniVersion":"1.0.0","name":"{name}","type":"gingham"}}"#);
        std::fs::write(dir.path().join("20-b.conf"), conf("b")).unwrap();
        std::fs::write(dir.path().join("10-a.conflist"), conf("a")).unwrap();
        std::fs::write(dir.path().join("30-c.conf.disabled"), conf("c")).unwrap();
        std::fs::write(dir.path().join("40-d.conf"), "nonsense").unwrap();
        let listed = list(dir.path()).unwrap();
        assert_eq!(listed.iter().filter(|entry| entry.configuration.is_ok()).count(), 2);
        assert_eq!(find("b", dir.path()).unwrap().path, dir.path().join("20-b.conf"));
        assert_eq!(find(dir.path().join("20-b.conf").to_str().unwrap(), Path::new("/none")).unwrap().name, "b");
        let unknown = find("c", dir.path()).err().unwrap().to_string();
        assert!(unknown.contains("(networks: a, b); use a path"), "{unknown}");
        assert!(list(&dir.path().join("none")).unwrap().is_empty());
    }
}
