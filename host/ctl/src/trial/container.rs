//! A container as far as a network is concerned: a network namespace with a path.

use std::path::PathBuf;

use gingham_net::netns::NetNs;
use gingham_testbed::TestbedError;
use gingham_testbed::container::create_namespace;

/// The interface that runtimes ask for.
pub(super) const INTERFACE: &str = "eth0";

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
    pub(super) fn create(id: &'static str) -> Result<Self, TestbedError> {
        let (path, namespace) = create_namespace(id)?;
        Ok(Self { id, path, namespace })
    }
}
