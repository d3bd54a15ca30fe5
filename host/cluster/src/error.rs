//! Why a cluster's part of the work is not done.

use std::io;
use std::path::PathBuf;

use gingham_engine::ipam::IpamError;
use gingham_engine::settings::SettingsError;
use gingham_engine::store::StoreError;
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_ownership::error::ClusterError;
use gingham_ownership::shared_store::StoreFault;

/// Why a cluster's part of the work is not done.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A key of `ipam` that does not fit this machine, or what this network was before.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file that says who this machine is cannot be read.
    #[error("cannot read {}: {source}; it says which machine this is", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
    /// The kernel does not tell this node's addresses.
    #[error(transparent)]
    Kernel(#[from] NetError),
    /// The kernel does not talk to us.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The random generator failed.
    #[error("cannot draw a random number: {0}")]
    Random(io::Error),
    /// The protocol of ownership ended so.
    #[error(transparent)]
    Protocol(#[from] ClusterError),
    /// A policy refuses, or is at fault.
    #[error(transparent)]
    Policy(#[from] IpamError),
    /// The policy wants to claim what cannot be meant.
    #[error("policy {policy}: {reason}")]
    Proposal {
        /// The policy's name.
        policy: String,
        /// What is wrong.
        reason: String,
    },
    /// The local store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What this node knew of the network cannot be read.
    #[error("what this node knows of its cluster cannot be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// A network without a store was asked for what only a store can tell.
    #[error("the network {network} has no cluster's store: this concerns clusters whose cluster.store is \"etcd\"")]
    NoStore {
        /// The network.
        network: String,
    },
    /// A node cannot leave while containers use its addresses.
    #[error("{}", in_use(network, *count))]
    InUse {
        /// The network.
        network: String,
        /// How many.
        count: usize,
    },
}

fn in_use(network: &str, count: usize) -> String {
    match count {
        1 => format!(
            "1 attachment of the network {network} is on this node; end it first (or --force, if its container is gone)"
        ),
        _ => format!(
            "{count} attachments of the network {network} are on this node; end them first (or --force, if their \
             containers are gone)"
        ),
    }
}

impl Fault {
    /// Whether the same may succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Protocol(error) => match error {
                ClusterError::Store(fault) => matches!(fault, StoreFault::Unreachable(_)),
                ClusterError::Contended
                | ClusterError::Superseded { .. }
                | ClusterError::Fenced { .. }
                | ClusterError::Suspicious { .. }
                | ClusterError::NotMember { .. } => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the cluster's store could not be asked.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Protocol(ClusterError::Store(StoreFault::Unreachable(_))))
    }
}

pub(crate) fn settings(key: &str, message: impl Into<String>) -> Fault {
    SettingsError { key: key.to_owned(), message: message.into() }.into()
}
