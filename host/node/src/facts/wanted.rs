//! Which facts the policies of this node can read, and in which store the plugin looks for them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gingham_engine::runtime::FactImports;
use gingham_network::error::NetworkError;
use gingham_network::network::Network as Configured;
use serde_json::Value;
use tracing::debug;

use super::{Kind, Places};
use crate::networks::Network;
use crate::networks::program;

/// By data directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    directories: BTreeMap<PathBuf, FactImports>,
}

impl Wanted {
    /// A network that cannot be read wants nothing: its ADDs fail.
    pub(super) fn read(places: &Places) -> Self {
        let found = places.networks();
        let mut directories = BTreeMap::from([(places.data_dir.clone(), FactImports::default())]);
        for network in found.all() {
            match of_network(network, &places.library) {
                Ok(Some((directory, imports))) => {
                    let all = directories.entry(directory).or_default();
                    *all = *all | imports;
                }
                Ok(None) => {}
                Err(error) => debug!(network = network.name, "no facts for its policy: {error}"),
            }
        }
        Self { directories }
    }

    pub(super) fn of(&self) -> impl Iterator<Item = (&Path, FactImports)> {
        self.directories.iter().map(|(directory, imports)| (directory.as_path(), *imports))
    }

    /// What has to be watched.
    pub(super) fn kinds(&self) -> &'static [Kind] {
        let all = self.directories.values().fold(FactImports::default(), |all, imports| all | *imports);
        // Only namespaces of this node's pods are kept.
        match (all.pod || all.annotations, all.namespace, all.node) {
            (_, true, true) => &[Kind::Pods, Kind::Namespaces, Kind::Node],
            (_, true, false) => &[Kind::Pods, Kind::Namespaces],
            (true, false, true) => &[Kind::Pods, Kind::Node],
            (true, false, false) => &[Kind::Pods],
            (false, false, true) => &[Kind::Node],
            (false, false, false) => &[],
        }
    }
}

fn of_network(network: &Network, library: &Path) -> Result<Option<(PathBuf, FactImports)>, NetworkError> {
    configured(network, library)?.fact_imports()
}

pub(crate) fn configured(network: &Network, library: &Path) -> Result<Configured, NetworkError> {
    let input = Value::Object(network.config.clone()).to_string();
    Configured::read(program(&network.config), library, input.as_bytes())
}
