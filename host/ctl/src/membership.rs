//! `ginghamctl cluster`: a network that is divided among nodes, seen and administered from one of them.

mod block_map;
mod join;
mod leave;
mod migrate;
mod session;
mod status;
mod takeover;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gingham_cluster::{Fault, MigrationError};
use gingham_engine::ipam::IpamError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_net::node_routes::NodeRoutesError;
use gingham_network::error::NetworkError;

use crate::cli::ClusterCommand;
use crate::confirmation::ConfirmationError;
use crate::kubernetes::KubernetesError;
use crate::lease_store::BootIdError;
use crate::network::{ConfigDirError, GinghamPluginError};
use crate::output::Output;

pub(crate) use session::Session;
pub(crate) use status::{Snapshot, show};
pub(crate) use takeover::end;

/// How long the cluster's store may take to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a command did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error(transparent)]
    GinghamPlugin(#[from] GinghamPluginError),
    #[error("no network in {directory} has `ipam.cluster`; use --network FILE for a configuration elsewhere")]
    NoCluster { directory: PathBuf },
    #[error("--network is required: networks in {directory} are {}", names.join(", "))]
    Several { directory: PathBuf, names: Vec<String> },
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
    #[error("network {network} has no `ipam.cluster`: this node alone uses its range")]
    Alone { network: String },
    #[error("network {network}: {source}")]
    Policy { network: String, source: Box<IpamError> },
    #[error("network {network}: {source}")]
    Cluster { network: String, source: Box<Fault> },
    #[error(
        "network {network}: {source}; this node no longer uses the network, but the store still lists its blocks: \
         run `ginghamctl cluster leave` again"
    )]
    HalfLeft { network: String, source: Box<Fault> },
    #[error(
        "cannot leave network {network}: its store is the Kubernetes API, and this command has no access to it, so the other \
         nodes would not learn of it; nothing was changed; use --kube-server, --kube-ca and --kube-token, or run it in the \
         agent's pod"
    )]
    NoAccess { network: String },
    #[error("cannot bring the routes of network {network} up to date: {source}")]
    Reach { network: String, source: NodeRoutesError },
    #[error("network {network}: {source}")]
    Kubernetes { network: String, source: KubernetesError },
    #[error("network {network}: its configuration must have the store etcd; use --network FILE for the one with etcd")]
    NotEtcd { network: String },
    #[error("network {network}: {source}")]
    Migration { network: String, source: Box<MigrationError> },
    #[error(
        "network {network}: spec.config of its AddressNetwork divides the range as {theirs}, and the cluster has {ours}: \
         correct the object, or delete it"
    )]
    OtherObject { network: String, theirs: String, ours: String },
    #[error("cannot free this node's own address: {0}")]
    Store(#[from] StoreError),
    #[error("cannot list this node's routes: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot list this node's routes: {0}")]
    Routes(#[from] NetError),
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

pub(crate) fn run(command: &ClusterCommand, library: &Path, out: &mut Output) -> Result<(), CommandError> {
    match command {
        ClusterCommand::Status(arguments) => status::run(arguments, library, out),
        ClusterCommand::Join(arguments) => join::run(arguments, library, out),
        ClusterCommand::Leave(arguments) => leave::run(arguments, library, out),
        ClusterCommand::Takeover(arguments) => takeover::run(arguments, library, out),
        ClusterCommand::Migrate(arguments) => migrate::run(arguments, library, out),
    }
}

/// `3 blocks: 10.32.0.0/24, …`; a long list is cut.
fn blocks(blocks: &[ipnet::IpNet]) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<String> = blocks.iter().take(SHOWN).map(ToString::to_string).collect();
    if blocks.len() > SHOWN {
        names.push("…".to_owned());
    }
    match blocks.len() {
        0 => "no block".to_owned(),
        1 => format!("1 block: {}", names.join("")),
        count => format!("{count} blocks: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn blocks_are_counted_and_the_first_ones_named() {
        let list = |count: u8| (0..count).map(|n| format!("10.0.{n}.0/24").parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(super::blocks(&list(0)), "no block");
        assert_eq!(super::blocks(&list(1)), "1 block: 10.0.0.0/24");
        assert_eq!(super::blocks(&list(5)), "5 blocks: 10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/24, 10.0.3.0/24, …");
    }
}
