//! How a node reaches the etcd of its cluster, as the configuration gives it.

use std::fmt;
use std::path::PathBuf;

use crate::endpoint::Endpoint;

/// Where a cluster's records lie in etcd by default.
pub const PREFIX: &str = "/gingham";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdSettings {
    /// Client URLs of its members; tried in turn.
    pub endpoints: Vec<Endpoint>,
    /// Keys begin so, then `/NETWORK/`: `/gingham`.
    pub prefix: String,
    pub login: Option<Login>,
    /// Set if the endpoints are `https`.
    pub tls: Option<TlsFiles>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `cluster.user`.
    pub user: String,
    pub password: Password,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    Text(Secret),
    /// In a file that is read when it is needed; a line break at its end does not count.
    File(PathBuf),
}

/// Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates of the authorities that may have signed the members' certificates.
    pub ca: PathBuf,
    /// Our own certificate with its chain, and its private key, if etcd wants to see one.
    pub identity: Option<(PathBuf, PathBuf)>,
}
