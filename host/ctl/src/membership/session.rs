//! The network that a command is about: found in the configurations, with its policy and its cluster opened.

use std::path::Path;
use std::time::Instant;

use gingham_cluster::{Cluster, Fault};
use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::settings::{Settings, default_data_dir};
use gingham_net::netlink::{Route, Socket};
use gingham_net::node_routes::{self, Report};
use gingham_network::network::Network;
use gingham_network::published::staging;
use gingham_ownership::grid::Grid;
use gingham_ownership::snapshot::Snapshot as Records;
use ipnet::IpNet;

use super::{CommandError, STORE_TIMEOUT};
use crate::cli::{CONFIG_DIR, ClusterArguments, KubernetesArguments};
use crate::kubernetes::{self, KubernetesError};
use crate::lease_store;
use crate::network::keys::get;
use crate::network::{ConfigDirError, Configuration, find, list, read_network};

/// A network that is divided among nodes, on this one of them.
pub(crate) struct Session<'a> {
    /// Its name.
    pub(crate) network: &'a str,
    /// The bridge of its containers.
    pub(crate) bridge: String,
    pub(crate) settings: &'a Settings,
    pub(crate) policy: &'a ClusterPolicy<'a>,
    pub(crate) cluster: Cluster<'a>,
}

impl Session<'_> {
    /// Opens the network that the command line names, and does something with it.
    pub(super) fn of<T>(
        arguments: &ClusterArguments,
        library: &Path,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let configuration = choose(arguments)?;
        Self::in_network(&read_network(&configuration, library)?, &arguments.kubernetes, work)
    }

    /// The same for a network that has been read.
    pub(crate) fn in_network<T>(
        network: &Network,
        kubernetes: &KubernetesArguments,
        work: impl FnOnce(&mut Session<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let name = network.name();
        let fault = |source| CommandError::Network { network: name.to_owned(), source };
        let alone = || CommandError::Alone { network: name.to_owned() };
        let addresses = network.addresses().map_err(fault)?.ok_or_else(alone)?;
        let settings = addresses.settings();
        if settings.cluster.is_none() {
            return Err(alone());
        }
        let policy = addresses.load().map_err(fault)?;
        let dividing = ClusterPolicy::new(policy, settings, &settings.context(name), &mut Vec::new())
            .map_err(|source| CommandError::Policy { network: name.to_owned(), source: Box::new(source) })?;
        tracing::debug!(network = name, "open the cluster's store");
        let boot = lease_store::boot_id()?;
        let cluster = Cluster::new(name, settings, &boot)
            .map_err(|source| CommandError::Cluster { network: name.to_owned(), source: Box::new(source) })?;
        let cluster = with_kubernetes(cluster, name, kubernetes)
            .map_err(|source| CommandError::Kubernetes { network: name.to_owned(), source })?;
        let bridge = network.bridge_name();
        work(&mut Session { network: name, bridge, settings, policy: &dividing, cluster })
    }

    /// The network's ranges.
    pub(super) fn ranges(&self) -> Vec<IpNet> {
        self.policy.grids().iter().map(Grid::range).collect()
    }

    /// Says of which network a fault is.
    pub(crate) fn fault(&self, source: Fault) -> CommandError {
        CommandError::Cluster { network: self.network.to_owned(), source: Box::new(source) }
    }

    /// When the store's time is up.
    pub(super) fn deadline() -> Instant {
        Instant::now() + STORE_TIMEOUT
    }

    /// Brings the routes to the other nodes up to date; none if the network underneath sees to it.
    pub(crate) fn refresh_routes(&mut self) -> Result<Option<Report>, CommandError> {
        let records = match self.cluster.sync(Self::deadline()).map_err(|source| self.fault(source))? {
            Ok(synced) => synced.snapshot,
            Err(error) => match error.snapshot {
                // Right for a node that is out, too.
                Some(records) => records,
                None => return Err(self.fault(error.error.into())),
            },
        };
        self.reconcile(&records)
    }

    fn reconcile(&self, records: &Records) -> Result<Option<Report>, CommandError> {
        let wanted = self.cluster.wanted(records, &self.bridge, self.ranges()).map_err(|source| self.fault(source))?;
        let Some(wanted) = wanted else { return Ok(None) };
        tracing::debug!(network = self.network, "reconcile the routes to other nodes");
        let report = node_routes::reconcile(&mut Socket::<Route>::open()?, &wanted);
        report.map(Some).map_err(|source| CommandError::Reach { network: self.network.to_owned(), source })
    }
}

/// How a network's policy divides the range.
pub(super) fn grids(network: &Network) -> Result<Vec<Grid>, CommandError> {
    let name = network.name();
    let fault = |source| CommandError::Network { network: name.to_owned(), source };
    let addresses =
        network.addresses().map_err(fault)?.ok_or_else(|| CommandError::Alone { network: name.to_owned() })?;
    let (settings, policy) = (addresses.settings(), addresses.load().map_err(fault)?);
    let dividing = ClusterPolicy::new(policy, settings, &settings.context(name), &mut Vec::new())
        .map_err(|source| CommandError::Policy { network: name.to_owned(), source: Box::new(source) })?;
    Ok(dividing.grids().to_vec())
}

/// With the Kubernetes API, if that is the store and this process has access to it. Without, the node's own part is shown.
fn with_kubernetes<'c>(
    cluster: Cluster<'c>,
    network: &str,
    arguments: &KubernetesArguments,
) -> Result<Cluster<'c>, KubernetesError> {
    if !cluster.has_leases() {
        return Ok(cluster);
    }
    let Some(api) = kubernetes::api(arguments)? else { return Ok(cluster) };
    Ok(cluster.with_store(kubernetes::store(api, network)?, None))
}

/// The network that is named, or the only one that is divided. Where runtimes have none, one that the agent has prepared for
/// them: a node that left is to join again before its runtime gets the network.
pub(super) fn choose(arguments: &ClusterArguments) -> Result<Configuration, CommandError> {
    let directory = &arguments.config.dir;
    let prepared = (directory == Path::new(CONFIG_DIR)).then(|| staging(&default_data_dir()));
    choose_in(arguments.network.as_deref(), directory, prepared.as_deref())
}

fn choose_in(network: Option<&str>, directory: &Path, prepared: Option<&Path>) -> Result<Configuration, CommandError> {
    let chosen = match network {
        Some(network) => find(network, directory).map_err(CommandError::from),
        None => the_divided(directory),
    };
    match (&chosen, prepared) {
        (
            Err(CommandError::NoCluster { .. } | CommandError::ConfigDir(ConfigDirError::Unknown { .. })),
            Some(prepared),
        ) => choose_in(network, prepared, None).or(chosen),
        _ => chosen,
    }
}

fn the_divided(directory: &Path) -> Result<Configuration, CommandError> {
    let entries = list(directory)?.into_iter().filter_map(|entry| entry.configuration.ok());
    let mut divided: Vec<Configuration> = entries.filter(is_divided).collect();
    let directory = directory.to_owned();
    match (divided.pop(), divided.as_slice()) {
        (Some(only), []) => Ok(only),
        (Some(last), others) => {
            let mut names: Vec<String> = others.iter().map(|other| other.name.clone()).collect();
            names.push(last.name);
            Err(CommandError::Several { directory, names })
        }
        (None, _) => Err(CommandError::NoCluster { directory }),
    }
}

fn is_divided(configuration: &Configuration) -> bool {
    let has_cluster = |ipam: &serde_json::Value| ipam.as_object().is_some_and(|ipam| get(ipam, "cluster").is_some());
    configuration.plugins.iter().any(|plugin| get(&plugin.object, "ipam").is_some_and(has_cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_has_prepared_is_found_where_runtimes_have_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let [runtimes, prepared] = ["net.d", "networks"].map(|name| directory.path().join(name));
        let write = |path: &Path, name: &str, ipam: &str| {
            std::fs::create_dir_all(path).unwrap();
            let text = format!(r#"{{"cniVersion": "1.0.0", "name": "{name}", "type": "gingham", "ipam": {ipam}}}"#);
            std::fs::write(path.join(format!("{name}.conf")), text).unwrap();
        };
        let chosen = |network| choose_in(network, &runtimes, Some(&prepared)).map(|chosen| chosen.path);
        assert!(matches!(chosen(None), Err(CommandError::NoCluster { directory }) if directory == runtimes));
        write(&runtimes, "alone", r#"{"type": "host-local"}"#);
        write(&prepared, "pods", r#"{"cluster": {"store": "kubernetes"}}"#);
        for network in [None, Some("pods")] {
            assert_eq!(chosen(network).unwrap(), prepared.join("pods.conf"));
        }
        let unknown = chosen(Some("other")).unwrap_err().to_string();
        assert!(unknown.contains("other") && unknown.contains("net.d (networks: alone)"), "{unknown}");
        write(&runtimes, "pods", r#"{"cluster": {"store": "kubernetes"}}"#);
        for network in [None, Some("pods")] {
            assert_eq!(chosen(network).unwrap(), runtimes.join("pods.conf"));
        }
    }
}
