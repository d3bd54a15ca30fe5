//! A container as far as a network is concerned: a network namespace with a path.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use gingham_net::netns::NetNs;
use rustix::mount::mount_bind;

use crate::TestbedError;
use crate::error::io;

/// Where container runtimes keep the paths of namespaces.
pub const DIRECTORY: &str = "/run/netns";

/// Makes a namespace with the path `/run/netns/ID`, which keeps it, as long as the value does.
///
/// # Errors
/// The system does not allow it.
pub fn create_namespace(id: &str) -> Result<(PathBuf, NetNs), TestbedError> {
    let path = Path::new(DIRECTORY).join(id);
    let namespace = NetNs::create()?;
    let opened = format!("/proc/self/fd/{}", namespace.as_fd().as_raw_fd());
    fs::create_dir_all(DIRECTORY)
        .and_then(|()| fs::File::create(&path))
        .and_then(|_| Ok(mount_bind(opened.as_str(), &path)?))
        .map_err(io("give a network namespace the path", &path))?;
    Ok((path, namespace))
}
