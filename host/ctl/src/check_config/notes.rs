//! What is not wrong, and may surprise.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use gingham_config::RepeatedKey;
use gingham_engine::address::IpRange;
use gingham_engine::pool::Pools;
use gingham_engine::ranges::RangeSet;
use gingham_engine::unknown_keys::nearest;
use gingham_network::bridge_config::KEYS;
use serde_json::{Map, Value};

use super::runtimes;
use crate::network::{ConfigDirError, Configuration, Plugins, list};

/// Masquerade helps nobody whose packets stay in the network.
pub(super) const NO_DEFAULT_ROUTE: &str = "ipMasq is true, but containers get no default route and reach nothing outside \
                                           of the network; set isDefaultGateway, or ipam.routes to [{\"dst\": \"0.0.0.0/0\"}]";

/// Which block it will be depends on the other nodes.
pub(super) const NO_BLOCK: &str = "this node holds no block of the range yet; its first ADD or its agent claims one, and its \
                                   addresses come from that";

/// Keys of every plugin's configuration, read by the runtime or before anything else.
const KEYS_OF_CNI: [&str; 7] = ["cniVersion", "name", "type", "args", "capabilities", "runtimeConfig", "prevResult"];

/// Keys beside `ipam` that nothing reads. Keys with a slash are conventions between runtimes and plugins.
pub(super) fn unknown_keys(object: &Map<String, Value>) -> impl Iterator<Item = String> {
    let known = || KEYS_OF_CNI.into_iter().chain(KEYS);
    let is_unknown = move |key: &&String| !key.contains('/') && !known().any(|known| known.eq_ignore_ascii_case(key));
    object.keys().filter(is_unknown).map(move |key| match nearest(key, known()) {
        Some(near) => format!("{key}: unknown key, did you mean {near:?}?"),
        None => format!("{key}: unknown key, which is ignored"),
    })
}

/// What `exclude` names to no effect.
pub(super) fn useless_exclusions(exclude: &RangeSet, pools: &Pools) -> impl Iterator<Item = String> {
    let touches = |range: &IpRange| pools.ranges().any(|pool| pool.intersection(range).is_some());
    exclude.iter().filter(move |range| !touches(range)).map(|range| format!("ipam.exclude: {range} is in no pool"))
}

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
    notes.extend(repeated_keys(&configuration.repeated_keys));
    notes.extend(same_network(configuration, config_dir)?);
    notes.extend(missing_plugins(configuration, plugins));
    notes.extend(runtimes::that_do_not_take(&configuration.version));
    Ok(notes)
}

/// Only one of them is read. Where keys are data, as labels are, those of another case are other keys.
fn repeated_keys(repeated: &[RepeatedKey]) -> impl Iterator<Item = String> {
    let is_of_struct = |object: &str| {
        let object = object.rsplit_once('.').map_or(object, |(_, last)| last);
        object.is_empty() || object.starts_with("plugins[") || object.eq_ignore_ascii_case("ipam")
    };
    let counts = move |repeated: &&RepeatedKey| repeated.is_spelt_alike || is_of_struct(&repeated.object);
    repeated.iter().filter(counts).map(|repeated| match repeated.is_spelt_alike {
        true => {
            format!("{}: the key is written several times, and only the last one counts; keep one", repeated.path())
        }
        false => format!(
            "{}: the key is written several times, in different case, and only one counts; keep one",
            repeated.path()
        ),
    })
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
