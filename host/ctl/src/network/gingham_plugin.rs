//! Which of a configuration's plugins is Gingham: by its name, or by the link that the name leads to.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gingham_network::error::NetworkError;
use gingham_network::network::Network;
use gingham_network::plan::OWN_NAME;

use super::configuration::{Configuration, Plugin};

/// Where plugins usually are.
const USUAL: &str = "/opt/cni/bin:/usr/lib/cni";

/// The directories of plugins: `CNI_PATH`, else the usual ones; then the one this program is in.
pub(crate) struct Plugins {
    directories: Vec<PathBuf>,
}

impl Plugins {
    /// As the environment has them.
    pub(crate) fn of_environment() -> Self {
        let path = std::env::var_os("CNI_PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL.into());
        let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
        directories.extend(own);
        Self { directories }
    }

    pub(crate) fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// A plugin's file.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        self.directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file())
    }

    /// Whether a name stands for Gingham here: it is its own, or a link to the same file.
    fn is_ours(&self, name: &str) -> bool {
        name == OWN_NAME || self.find(name).is_some_and(|file| is_same(&file, &file.with_file_name(OWN_NAME)))
    }

    /// The name Gingham runs under for this plugin, if it is Gingham.
    fn program<'a>(&self, plugin: &'a Plugin) -> Option<&'a str> {
        [Some(plugin.kind.as_str()), plugin.ipam_kind()].into_iter().flatten().find(|name| self.is_ours(name))
    }
}

/// Why a network cannot be read as Gingham's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GinghamPluginError {
    #[error(
        "network {network} is not Gingham's: none of its plugins is `gingham` or a link to it; set CNI_PATH to the \
         directories of plugins"
    )]
    NotGingham { network: String },
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
}

/// The network of a configuration that has to be Gingham's.
pub(crate) fn read_network(configuration: &Configuration, library: &Path) -> Result<Network, GinghamPluginError> {
    let name = || configuration.name.clone();
    let (_, network) = find_gingham(configuration, &Plugins::of_environment(), library, false)
        .ok_or_else(|| GinghamPluginError::NotGingham { network: name() })?;
    network.map_err(|source| GinghamPluginError::Network { network: name(), source })
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino())).ok();
    id(one).is_some_and(|one| Some(one) == id(other))
}

/// The plugin of a configuration that is Gingham, read as Gingham reads it. None if there is none; then, with
/// `suppose`, as if the first one that has `ipam` were.
pub(crate) fn find_gingham(
    configuration: &Configuration,
    plugins: &Plugins,
    library: &Path,
    suppose: bool,
) -> Option<(String, Result<Network, NetworkError>)> {
    let (program, plugin) = find_plugin(configuration, plugins, suppose)?;
    tracing::debug!(network = configuration.name, program, "read the network as the plugin does");
    let network = Network::read(&program, library, plugin.input().as_bytes());
    Some((program, network))
}

/// The same plugin as it is written, and the name Gingham runs under for it.
pub(crate) fn find_plugin<'a>(
    configuration: &'a Configuration,
    plugins: &Plugins,
    suppose: bool,
) -> Option<(String, &'a Plugin)> {
    let is_it = |plugin: &'a Plugin| Some((plugins.program(plugin)?.to_owned(), plugin));
    let supposed = || {
        let with_addresses = configuration.plugins.iter().find(|plugin| plugin.ipam_kind().is_some());
        let plugin = with_addresses.or(configuration.plugins.first()).filter(|_| suppose)?;
        Some((plugin.kind.clone(), plugin))
    };
    configuration.plugins.iter().find_map(is_it).or_else(supposed)
}
