//! Why a command on a node's programs fails.

use std::io;
use std::path::PathBuf;

use gingham_cluster::AgentError;
use gingham_engine::boot_id::BootIdError;
use gingham_engine::ipam::IpamError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::masquerade::MasqueradeError;
use gingham_net::netlink::NetlinkError;
use gingham_net::node_routes::NodeRoutesError;
use gingham_network::error::NetworkError;
use gingham_network::stale_leases::StaleLeaseError;

use crate::confirmation::ConfirmationError;
use crate::network::ConfigDirError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error("cannot {operation} {path}: {source}{}", advice(source))]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot find the directory of ginghamctl: {0}; use --from DIR")]
    OwnDirectory(io::Error),
    #[error(
        "--host {path} is not a directory, so nothing was installed; give the place where the node's file system is mounted"
    )]
    NoHost { path: PathBuf },
    #[error("another `ginghamctl node` works in {directory}; run the command again when it has ended")]
    Busy { directory: PathBuf },
    #[error(
        "the copy {copy} differs from {source_file}: the file system lost data; the installed program was not changed; \
         check the disk"
    )]
    Differs { copy: PathBuf, source_file: PathBuf },
    #[error(
        "{program} does not run on this node: {reason}; the installed program was not changed; install the one for this \
         processor"
    )]
    DoesNotRun { program: PathBuf, reason: String },
    #[error("nothing to roll back: {directory} has no previous program; `ginghamctl node install` keeps one")]
    NoPrevious { directory: PathBuf },
    #[error("nothing was changed: gingham-node runs and would write its configuration again; stop it first")]
    AgentRuns,
    #[error(
        "nothing was changed: containers on this node hold addresses (attachments: {count}); move the pods to other nodes \
         (kubectl drain), or use --force; `ginghamctl gc --dry-run` shows why each lease is kept"
    )]
    InUse { count: usize },
    #[error(
        "nothing was changed: {path} names gingham and was not written by gingham-node; remove that file first, or use \
         --force to leave it"
    )]
    ForeignConfiguration { path: PathBuf },
    #[error("network {network}: {source}")]
    Network { network: String, source: NetworkError },
    #[error("network {network}: {source}")]
    Policy { network: String, source: Box<IpamError> },
    #[error("network {network}: {source}")]
    Routes { network: String, source: NodeRoutesError },
    #[error("network {network}: {source}")]
    Masquerade { network: String, source: MasqueradeError },
    #[error("network {network}: the bridge {bridge}: {source}")]
    Bridge { network: String, bridge: String, source: NetError },
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error(transparent)]
    StaleLease(#[from] StaleLeaseError),
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error("gingham-node answered {status}: {text}")]
    NotYet { status: u16, text: String },
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "; use --bin-dir for a directory that can be written",
        io::ErrorKind::StorageFull => "; make room on that file system",
        _ => "",
    }
}

/// For `map_err`: names the operation and the file.
pub(super) fn file(operation: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> NodeError {
    let path = path.to_owned();
    move |source| NodeError::File { operation, path, source }
}
