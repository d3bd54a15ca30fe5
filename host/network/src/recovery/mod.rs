//! Which containers are attached, found without the lease store: by this node's links, the namespaces that can be reached,
//! and the results that runtimes keep. For `ginghamctl recover`.

mod cached_results;
mod links;

use std::path::PathBuf;

use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_net::netns::NetnsError;
use ipnet::IpNet;

pub use cached_results::{CACHE_DIR, read as read_cached_results};
pub use links::find as find_links;

use crate::plan::HostEnd;
use gingham_cni::config::NetworkName;

/// The kernel cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// No netlink.
    #[error("cannot list this node's interfaces: {0}")]
    Netlink(#[from] NetlinkError),
    /// The kernel refuses.
    #[error("cannot list this node's interfaces: {0}")]
    Links(#[from] NetError),
    /// This process's own namespace cannot be opened.
    #[error("cannot find this node's network namespace: {0}")]
    Namespace(#[from] NetnsError),
}

/// The node's end of a container's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLink {
    pub name: String,
    /// Network and attachment, if its alias names them whole.
    pub owner: Option<(String, AttachmentKey)>,
    /// The other end; several only if it is ambiguous.
    pub inside: Vec<Inside>,
}

/// The container's end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// A path of its namespace.
    pub netns: PathBuf,
    /// Its addresses that are of more than its link.
    pub addresses: Vec<IpNet>,
}

/// What a runtime keeps of an ADD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedResult {
    pub network: String,
    /// Container and interface.
    pub key: AttachmentKey,
    /// The path of the container's namespace; empty if unknown.
    pub netns: String,
    /// Its pod.
    pub pod: Pod,
    /// The addresses of the interface in the result.
    pub addresses: Vec<IpNet>,
    pub config: Vec<u8>,
}

/// The name that the node's end of an attachment's link has. None if there can be no such network.
pub fn link_name(network: &str, key: &AttachmentKey) -> Option<String> {
    let network = NetworkName::new(network).ok()?;
    let end = HostEnd::named(&network, &key.container_id, &key.interface).ok()?;
    Some(end.name.as_str().to_owned())
}
