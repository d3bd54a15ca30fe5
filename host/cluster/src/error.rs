//! Errors of this crate.

use std::io;
use std::path::PathBuf;

use gingham_engine::attachment::Refusal;
use gingham_engine::ipam::IpamError;
use gingham_engine::settings::SettingsError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_ownership::error::ClusterError;
use gingham_ownership::shared_store::StoreFault;

use crate::agent::AgentError;

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A key of `ipam` that does not fit this machine, or what this network was before.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot read the id of this machine from {}: {source}", path.display())]
    Identity { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Kernel(#[from] NetError),
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    #[error("cannot draw a random number: {0}")]
    Random(io::Error),
    #[error(transparent)]
    Protocol(#[from] ClusterError),
    #[error(transparent)]
    Policy(#[from] IpamError),
    /// The policy wants to claim what cannot be meant.
    #[error("policy {policy}: {reason}")]
    Proposal { policy: String, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read this node's cluster state from the lease store: {reason}")]
    Unreadable { reason: String },
    #[error(
        "the store of network {network} is the Kubernetes API, and this program has no access to it; use `ginghamctl cluster` with \
         --kube-server, --kube-ca and --kube-token, or let gingham-node do it"
    )]
    AgentOnly { network: String },
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(
        "another node may have taken over the blocks of this one: gingham-node has not confirmed them for minutes, and until it has, \
         no new address is given of them: {source}"
    )]
    Unconfirmed { source: AgentError },
    #[error("network {network} has no cluster store: this needs cluster.store \"etcd\" or \"kubernetes\"")]
    NoStore { network: String },
    #[error("{}", in_use(network, *count, owners))]
    InUse {
        network: String,
        count: usize,
        /// Those of them that hold addresses of `ginghamctl allocate`, by their names.
        owners: Vec<String>,
    },
}

fn in_use(network: &str, count: usize, owners: &[String]) -> String {
    if let ([owner, ..], true) = (owners, owners.len() == count) {
        return format!(
            "cannot leave: network {network} has addresses of `ginghamctl allocate` on this node (owner {}); run ginghamctl \
             release {network} --owner {owner} first (or use --force)",
            owners.join(", ")
        );
    }
    match count {
        1 => format!(
            "cannot leave: network {network} has 1 attachment on this node; delete its container first (or use --force if the \
             container is gone)"
        ),
        _ => format!(
            "cannot leave: network {network} has {count} attachments on this node; delete their containers first (or use \
             --force if the containers are gone)"
        ),
    }
}

impl Fault {
    /// Whether the same may succeed later without a change of the configuration.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Protocol(error) => match error {
                ClusterError::Store(fault) => matches!(fault, StoreFault::Unreachable(_)),
                ClusterError::Contended
                | ClusterError::Superseded { .. }
                | ClusterError::Fenced { .. }
                | ClusterError::Suspicious { .. }
                | ClusterError::Moved { .. }
                | ClusterError::Moving { .. }
                | ClusterError::NotMember { .. } => true,
                _ => false,
            },
            Self::Agent(error) => !matches!(error, AgentError::Exhausted { .. }),
            Self::Unconfirmed { .. } => true,
            _ => false,
        }
    }

    /// Whether no block is unclaimed.
    pub fn is_exhausted(&self) -> bool {
        matches!(
            self,
            Self::Policy(IpamError::Refused { refusal: Refusal::Exhausted(_), .. })
                | Self::Agent(AgentError::Exhausted { .. })
        )
    }

    /// Whether the cluster store was unreachable.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Protocol(ClusterError::Store(StoreFault::Unreachable(_))))
    }
}

pub(crate) fn settings(key: &str, message: impl Into<String>) -> Fault {
    SettingsError { key: key.to_owned(), message: message.into() }.into()
}
