//! What is not wrong, and may surprise.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::runtimes;
use crate::network::{ConfigDirError, Configuration, Plugins, list};

/// Masquerade helps nobody whose packets stay in the network.
pub(super) const NO_DEFAULT_ROUTE: &str = "ipMasq is true, but containers get no default route and reach nothing outside \
                                           of the network; set isDefaultGateway, or ipam.routes to [{\"dst\": \"0.0.0.0/0\"}]";

/// Which block it will be depends on the other nodes.
pub(super) const NO_BLOCK: &str = "this node holds no block of the range yet; its first ADD or its agent claims one, and its \
                                   addresses come from that";

pub(super) fn of(
    configuration: &Configuration,
    is_gingham: bool,
    plugins: &Plugins,
    config_dir: &Path,
) -> Result<Vec<String>, ConfigDirError> {
    let mut notes = Vec::new();
    if !is_gingham {
        let kind = configuration.plugins.first().map(|plugin| plugin.kind.as_str()).unwrap_or_default();
        notes.push(format!("{kind} is not Gingham on this node; the report is for \"type\": \"gingham\""));
    }
    notes.extend(same_network(configuration, config_dir)?);
    notes.extend(missing_plugins(configuration, plugins));
    notes.extend(runtimes::that_do_not_take(&configuration.version));
    Ok(notes)
}

/// Other files of the same network: runtimes take the first, or each for another network of that name.
fn same_network(configuration: &Configuration, config_dir: &Path) -> Result<Vec<String>, ConfigDirError> {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let this = identity(&configuration.path);
    let is_another = |path: &Path| this.is_some() && identity(path) != this;
    let others = list(config_dir)?.into_iter().filter_map(|entry| entry.configuration.ok());
    let same = others.filter(|other| other.name == configuration.name && is_another(&other.path));
    let note = |other: Configuration| {
        format!("{} configures a network of the same name; keep one of the two files", other.path.display())
    };
    Ok(same.map(note).collect())
}

/// Where this program looks for plugins a runtime may not, so that one is missing is no error.
fn missing_plugins(configuration: &Configuration, plugins: &Plugins) -> Option<String> {
    let others = configuration.plugins.iter().skip(1).map(|plugin| plugin.kind.as_str());
    let missing: Vec<&str> = others.filter(|kind| plugins.find(kind).is_none()).collect();
    let directories = plugins.directories().iter().map(|directory| directory.display().to_string());
    let searched = directories.collect::<Vec<_>>().join(", ");
    let note = || {
        format!(
            "no plugin {} in {searched}; a runtime that searches there cannot attach containers",
            missing.join(", ")
        )
    };
    (!missing.is_empty()).then(note)
}
