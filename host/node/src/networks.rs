//! The networks to reconcile: those in the configuration directory whose `ipam` has `cluster`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gingham_network::plan::OWN_NAME;
use gingham_network::published::is_published_file;
use gingham_untrusted::file::{self, FileError, LARGEST_CONFIGURATION};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A network of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Of its plugin, as a runtime passes it: with `name` and `cniVersion`.
    pub(crate) config: Map<String, Value>,
}

/// The content of the directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// By name.
    pub(crate) networks: BTreeMap<String, Network>,
    /// Those of Gingham that have no `cluster`, by name.
    pub(crate) without_cluster: BTreeMap<String, Network>,
    /// The data directories of networks without `cluster`, other than the default.
    pub(crate) data_dirs: BTreeSet<PathBuf>,
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    cni_version: Option<Value>,
    name: String,
    /// Of a list.
    plugins: Option<Vec<Map<String, Value>>>,
    ipam: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WrittenIpam {
    #[serde(rename = "type")]
    kind: Option<String>,
    cluster: Option<Value>,
    #[serde(rename = "dataDir")]
    data_dir: Option<PathBuf>,
}

/// Where networks are configured.
#[derive(Debug, Clone)]
pub(crate) struct Directories {
    /// What runtimes read.
    pub(crate) configured: PathBuf,
    /// What the agent has prepared for them. The node joins, claims and routes before the runtime knows of the network.
    pub(crate) staged: PathBuf,
}

/// Reads both. A staged network replaces the one that was published of it earlier.
pub(crate) fn read_all(directories: &Directories) -> Found {
    let (mut found, staged) = (read(&directories.configured), read(&directories.staged));
    for (name, network) in staged.networks {
        match found.networks.get(&name) {
            Some(configured) if !is_published_file(&configured.file) => found.faults.push(format!(
                "{}: name: {name:?} is also the name of an AddressNetwork; rename the network of the file, or remove it",
                configured.file.display()
            )),
            _ => drop(found.networks.insert(name, network)),
        }
    }
    found.faults.extend(staged.faults);
    found
}

/// Reads the files in the order of their names, as runtimes do. An invalid file does not hide the others: it may belong to
/// another plugin. A missing directory is empty.
pub(crate) fn read(directory: &Path) -> Found {
    let mut found = Found::default();
    let files = match files(directory) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return found,
        Err(error) => {
            found.faults.push(format!("cannot read {}: {error}", directory.display()));
            return found;
        }
    };
    for file in files {
        match file::read_text(&file, LARGEST_CONFIGURATION) {
            Ok(text) => found.add(&file, &text),
            // Removed since the directory was listed.
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => found.faults.push(format!("cannot read {}: {error}", file.display())),
        }
    }
    found
}

/// The networks of one file's text.
pub(crate) fn read_text_of(file: &Path, text: &str) -> Found {
    let mut found = Found::default();
    found.add(file, text);
    found
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let known = ["conflist", "conf", "json"];
        // Runtimes ignore directories, too.
        if path.extension().is_some_and(|extension| known.iter().any(|known| extension == *known)) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

impl Found {
    /// All networks of Gingham.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Network> {
        self.networks.values().chain(self.without_cluster.values())
    }

    fn add(&mut self, file: &Path, text: &str) {
        let (mut data_dirs, mut without_cluster) = (Vec::new(), None);
        let mut read = || -> Result<Option<Network>, gingham_config::ConfigError> {
            let object: Map<String, Value> = gingham_config::from_str(text)?;
            let written: Written = gingham_config::from_map(&object)?;
            for plugin in written.plugins.clone().unwrap_or_else(|| vec![object]) {
                let Written { ipam: Some(ipam), .. } = gingham_config::from_map(&plugin)? else { continue };
                let ipam: WrittenIpam = gingham_config::from_map(&ipam)?;
                data_dirs.extend(ipam.data_dir.filter(|directory| ipam.cluster.is_none() && directory.is_absolute()));
                if ipam.cluster.is_some() {
                    return Ok(Some(network(file, &written, plugin)));
                }
                let kind = plugin.get("type").and_then(Value::as_str);
                if kind == Some(OWN_NAME) || ipam.kind.as_deref() == Some(OWN_NAME) {
                    without_cluster = Some(network(file, &written, plugin));
                }
            }
            Ok(None)
        };
        let result = read();
        self.data_dirs.extend(data_dirs);
        self.without_cluster.extend(without_cluster.map(|network| (network.name.clone(), network)));
        match result {
            Ok(Some(network)) if network.name.is_empty() => {
                self.faults.push(format!("{}: name: the network has no name; add one", file.display()));
            }
            Ok(Some(network)) => match self.networks.get(&network.name) {
                Some(first) => self.faults.push(format!(
                    "{}: name: {:?} is already the network of {}; rename one of them",
                    file.display(),
                    network.name,
                    first.file.display()
                )),
                None => drop(self.networks.insert(network.name.clone(), network)),
            },
            Ok(None) => {}
            Err(error) => self.faults.push(format!("{}: {error}", file.display())),
        }
    }
}

/// As a runtime passes the configuration to a plugin of a list.
fn network(file: &Path, written: &Written, mut config: Map<String, Value>) -> Network {
    if written.plugins.is_some() {
        config.insert("name".to_owned(), written.name.clone().into());
        config.extend(written.cni_version.clone().map(|version| ("cniVersion".to_owned(), version)));
    }
    Network { name: written.name.clone(), file: file.to_owned(), config }
}

/// The name of the Gingham binary in the configuration: its own, or that of a link to it.
pub(crate) fn program(config: &Map<String, Value>) -> &str {
    let kind = config.get("type").and_then(Value::as_str);
    let ipam = config.get("ipam").and_then(|ipam| ipam.get("type")).and_then(Value::as_str);
    [kind, ipam].into_iter().flatten().find(|name| *name == OWN_NAME).or(kind).unwrap_or(OWN_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gingham_is_found_under_its_names() {
        let program_of = |json: &str| {
            let config: Map<String, Value> = serde_json::from_str(json).unwrap();
            program(&config).to_owned()
        };
        assert_eq!(program_of(r#"{"type": "gingham", "ipam": {"type": "weave-split"}}"#), "gingham");
        assert_eq!(program_of(r#"{"type": "ptp", "ipam": {"type": "gingham"}}"#), "gingham");
        assert_eq!(program_of(r#"{"type": "a-link", "ipam": {"type": "weave-split"}}"#), "a-link");
    }

    fn found(files: &[(&str, &str)]) -> Found {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let mut found = read(directory.path());
        let prefix = format!("{}/", directory.path().display());
        found.faults.iter_mut().for_each(|fault| *fault = fault.replace(&prefix, ""));
        found
    }

    #[test]
    fn networks_of_a_cluster_are_found_in_lists_and_single_files() {
        let found = found(&[
            (
                "10-list.conflist",
                r#"{"cniVersion": "1.1.0", "name": "one", "plugins": [
                {"type": "gingham", "bridge": "br1", "IPAM": {"type": "gingham", "Cluster": {"store": "etcd"}}},
                {"type": "portmap"}]}"#,
            ),
            ("20-single.conf", r#"{"name": "two", "type": "gingham", "ipam": {"type": "gingham", "cluster": {}}}"#),
            (
                "30-alone.conf",
                r#"{"name": "three", "type": "gingham", "ipam": {"type": "host-local", "cluster": null}}"#,
            ),
            ("40-layer2.conf", r#"{"name": "four", "type": "bridge"}"#),
            ("50-notes.txt", "{"),
        ]);
        assert_eq!(found.faults, [""; 0]);
        assert_eq!(found.networks.keys().collect::<Vec<_>>(), ["one", "two"]);
        let config = &found.networks["one"].config;
        assert_eq!(
            (&config["name"], &config["cniVersion"], &config["bridge"]),
            (&"one".into(), &"1.1.0".into(), &"br1".into())
        );
    }

    #[test]
    fn staged_networks_replace_those_published_earlier_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let at = |below: &str| directory.path().join(below);
        let list = |name: &str, by: &str, range: &str| {
            format!(
                r#"{{"name": "{name}", "{by}": "gingham-node", "plugins": [{{"type": "gingham", "range": "{range}",
                "ipam": {{"cluster": {{}}}}}}]}}"#
            )
        };
        fs::create_dir_all(at("net.d")).unwrap();
        fs::create_dir_all(at("staged")).unwrap();
        fs::write(at("net.d/10-gingham.conflist"), list("pods", "publishedBy", "old")).unwrap();
        fs::write(at("net.d/20-own.conflist"), list("own", "by", "mine")).unwrap();
        fs::write(at("staged/pods.conflist"), list("pods", "publishedBy", "new")).unwrap();
        fs::write(at("staged/own.conflist"), list("own", "publishedBy", "theirs")).unwrap();
        let found = read_all(&Directories { configured: at("net.d"), staged: at("staged") });
        assert_eq!(
            (&found.networks["pods"].config["range"], &found.networks["own"].config["range"]),
            (&"new".into(), &"mine".into())
        );
        assert!(
            found.faults.iter().any(|fault| fault.contains("also the name of an AddressNetwork")),
            "{:?}",
            found.faults
        );
    }

    #[test]
    fn faults_are_reported_and_hide_nothing() {
        let found = found(&[
            ("10-broken.conflist", "{"),
            ("20-nameless.conf", r#"{"type": "gingham", "ipam": {"cluster": {}}}"#),
            ("30-good.conf", r#"{"name": "two", "ipam": {"cluster": {}}}"#),
            ("40-again.conf", r#"{"name": "two", "ipam": {"cluster": {}}}"#),
            ("50-odd.conf", r#"{"name": "five", "ipam": [1]}"#),
        ]);
        assert_eq!(found.networks.keys().collect::<Vec<_>>(), ["two"]);
        insta::assert_snapshot!(found.faults.join("\n"));
        assert_eq!(read(Path::new("/nowhere/at/all")), Found::default());
    }
}
