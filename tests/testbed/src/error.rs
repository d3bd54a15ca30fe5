use std::io;
use std::path::{Path, PathBuf};

use gingham_net::NetError;
use gingham_net::netlink::NetlinkError;
use gingham_net::netns::NetnsError;
use rustix::io::Errno;

#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    #[error("cannot make namespaces for a node: {0}")]
    Unshare(Errno),
    #[error("cannot enter the namespaces of {machine}: {source}")]
    Enter { machine: String, source: Errno },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    #[error("cannot connect the nodes: {0}")]
    Netlink(#[from] NetlinkError),
    #[error("cannot connect the nodes: {0}")]
    Net(#[from] NetError),
    #[error("the link of {node} is still there {seconds} s after its namespaces have ended")]
    LinkRemains { node: String, seconds: u64 },
}

/// For `map_err`: what was done to which path.
pub(crate) fn io<E: Into<io::Error>>(operation: &'static str, path: &Path) -> impl FnOnce(E) -> TestbedError {
    let path = path.to_owned();
    move |source| TestbedError::Io { operation, path, source: source.into() }
}
