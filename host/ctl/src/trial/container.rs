//! A container as far as a network is concerned: a network namespace with a path.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use gingham_net::netns::{NetNs, NetnsError};

/// Where container runtimes keep the paths of namespaces.
const DIRECTORY: &str = "/run/netns";

/// The interface that runtimes ask for.
pub(super) const INTERFACE: &str = "eth0";

/// A container that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContainerError {
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    #[error("cannot give a network namespace the path {path}: {source}")]
    Bind { path: PathBuf, source: io::Error },
}

/// A container.
pub(super) struct Container {
    /// The identity that the runtime gives it.
    pub(super) id: &'static str,
    /// The path of its namespace.
    pub(super) path: PathBuf,
    /// Its namespace.
    pub(super) namespace: NetNs,
}

impl Container {
    /// Makes one.
    pub(super) fn create(id: &'static str) -> Result<Self, ContainerError> {
        let path = Path::new(DIRECTORY).join(id);
        let namespace = NetNs::create()?;
        let opened = format!("/proc/self/fd/{}", namespace.as_fd().as_raw_fd());
        fs::create_dir_all(DIRECTORY)
            .and_then(|()| fs::File::create(&path))
            .and_then(|_| Ok(rustix::mount::mount_bind(opened.as_str(), path.as_path())?))
            .map_err(|source| ContainerError::Bind { path: path.clone(), source })?;
        Ok(Self { id, path, namespace })
    }
}
