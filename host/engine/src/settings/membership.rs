//! `ipam.cluster`: which cluster a network's range is divided in, and who this node is there.

use std::net::IpAddr;
use std::path::PathBuf;

use gingham_ownership::etcd_settings::{EtcdSettings, PREFIX};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::routing::{VxlanSettings, WrittenVxlan};
use super::value::{number, path, valid};
use super::{SettingsError, etcd, fault};

/// How many claimed and free addresses a node keeps when the configuration does not say.
pub const LOW_WATER: u64 = 64;

/// Where the node agent listens when the configuration does not say.
pub const AGENT_SOCKET: &str = "/run/gingham/node.sock";

/// A network's cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// Where the truth is kept.
    pub store: StoreSettings,
    /// This node's name among the members. For none its host name; with the store `kubernetes` that of its Node object, which
    /// the agent knows.
    pub node: Option<String>,
    /// This node's address for the other nodes; the source address of its default route for none.
    pub address: Option<IpAddr>,
    /// How many claimed and free addresses are kept ready, so that no ADD waits for the store.
    pub low_water: u64,
    /// How `routing: vxlan` encapsulates.
    pub vxlan: VxlanSettings,
}

impl Default for ClusterSettings {
    /// What holds without `cluster`: a node alone.
    fn default() -> Self {
        Self {
            store: StoreSettings::Local { members: Vec::new() },
            node: None,
            address: None,
            low_water: LOW_WATER,
            vxlan: VxlanSettings::default(),
        }
    }
}

/// A store of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    /// None: this node is alone, or the members are a fixed list and each stays inside its own share.
    Local {
        /// The members' names, sorted; empty for a node alone.
        members: Vec<String>,
    },
    /// etcd, version 3 of its interface.
    Etcd(EtcdSettings),
    /// The Kubernetes API. Only the node agent calls it.
    Kubernetes {
        /// Where the plugin asks the agent for a block.
        agent_socket: PathBuf,
    },
    /// A directory that all members see: nodes that are namespaces of one machine.
    Directory {
        /// An absolute path.
        path: PathBuf,
    },
}

impl StoreSettings {
    /// Whether other nodes' records can be seen in it.
    pub fn is_shared(&self) -> bool {
        !matches!(self, Self::Local { .. })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct Written {
    #[serde(deserialize_with = "store")]
    store: Option<Store>,
    members: Option<Vec<Name>>,
    #[serde(deserialize_with = "path")]
    agent_socket: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    directory: Option<PathBuf>,
    node: Option<Name>,
    #[serde(deserialize_with = "address")]
    address: Option<IpAddr>,
    #[serde(deserialize_with = "low_water")]
    low_water: Option<u64>,
    vxlan: WrittenVxlan,
    endpoints: Option<Vec<etcd::Url>>,
    #[serde(deserialize_with = "etcd::prefix")]
    prefix: Option<String>,
    // Read later: an error about them must not show their values.
    user: Option<Value>,
    password: Option<Value>,
    #[serde(deserialize_with = "path")]
    password_file: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    ca: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    cert: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    key: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    Etcd,
    Kubernetes,
    Local,
    Directory,
}

#[derive(Debug, Deserialize)]
struct Name(#[serde(deserialize_with = "node_name")] String);

impl Written {
    pub(super) fn check(mut self) -> Result<ClusterSettings, SettingsError> {
        let store = self.store.ok_or_else(|| fault("cluster.store", format!("a store is required: {STORE_HINT}")))?;
        if store == Store::Kubernetes && self.node.is_some() {
            let message = "with the store \"kubernetes\" a node has the name of its Node object: remove the key";
            return Err(fault("cluster.node", message));
        }
        if let Some(key) = self.foreign_key(store) {
            let message = format!("the key is not for the store {:?}: remove it", store.name());
            return Err(fault(format!("cluster.{key}"), message));
        }
        let node = self.node.take().map(|name| name.0);
        let (address, low_water) = (self.address, self.low_water.unwrap_or(LOW_WATER));
        let vxlan = self.vxlan.settings();
        let store = match store {
            Store::Etcd => StoreSettings::Etcd(self.etcd()?),
            Store::Kubernetes => {
                let agent_socket = self.agent_socket.take().unwrap_or_else(|| AGENT_SOCKET.into());
                StoreSettings::Kubernetes { agent_socket }
            }
            Store::Local => StoreSettings::Local { members: members(self.members.take(), node.as_deref())? },
            Store::Directory => {
                let hint = "a path is required: use the directory that all members share";
                let path = self.directory.take().ok_or_else(|| fault("cluster.directory", hint))?;
                StoreSettings::Directory { path }
            }
        };
        Ok(ClusterSettings { store, node, address, low_water, vxlan })
    }

    /// A key that means nothing with this store.
    fn foreign_key(&self, store: Store) -> Option<&'static str> {
        let keys = [
            ("members", self.members.is_some(), Store::Local),
            ("agentSocket", self.agent_socket.is_some(), Store::Kubernetes),
            ("directory", self.directory.is_some(), Store::Directory),
            ("endpoints", self.endpoints.is_some(), Store::Etcd),
            ("prefix", self.prefix.is_some(), Store::Etcd),
            ("user", self.user.is_some(), Store::Etcd),
            ("password", self.password.is_some(), Store::Etcd),
            ("passwordFile", self.password_file.is_some(), Store::Etcd),
            ("ca", self.ca.is_some(), Store::Etcd),
            ("cert", self.cert.is_some(), Store::Etcd),
            ("key", self.key.is_some(), Store::Etcd),
        ];
        keys.into_iter().find(|(_, is_given, of)| *is_given && *of != store).map(|(key, _, _)| key)
    }

    fn etcd(self) -> Result<EtcdSettings, SettingsError> {
        let endpoints = etcd::endpoints(self.endpoints)?;
        let tls = etcd::tls(endpoints.iter().any(|endpoint| endpoint.tls), self.ca, self.cert, self.key)?;
        let login = etcd::login(self.user, self.password, self.password_file)?;
        Ok(EtcdSettings { endpoints, prefix: self.prefix.unwrap_or_else(|| PREFIX.to_owned()), login, tls })
    }
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Kubernetes => "kubernetes",
            Self::Local => "local",
            Self::Directory => "directory",
        }
    }
}

fn members(written: Option<Vec<Name>>, node: Option<&str>) -> Result<Vec<String>, SettingsError> {
    let Some(written) = written else { return Ok(Vec::new()) };
    let mut names = Vec::with_capacity(written.len());
    for (index, Name(name)) in written.into_iter().enumerate() {
        if names.contains(&name) {
            return Err(fault(format!("cluster.members[{index}]"), format!("{name:?} is listed twice: remove one")));
        }
        names.push(name);
    }
    if names.is_empty() {
        let hint = "the list is empty: use the names of all nodes, such as [\"node-1\", \"node-2\"]";
        return Err(fault("cluster.members", hint));
    }
    if let Some(node) = node.filter(|node| !names.iter().any(|name| name == node)) {
        return Err(fault("cluster.node", format!("{node:?} is not in cluster.members: use a name of that list")));
    }
    names.sort();
    Ok(names)
}

const STORE_HINT: &str = "use \"etcd\", \"kubernetes\", \"local\" (no store: this node alone, or cluster.members) or \
                          \"directory\" (nodes that are namespaces of one machine)";

fn store<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Store>, D::Error> {
    valid(from, "store", STORE_HINT, |value| {
        let name = value.as_str()?;
        let all = [Store::Etcd, Store::Kubernetes, Store::Local, Store::Directory];
        all.into_iter().find(|store| store.name() == name).map(Some)
    })
}

/// It becomes part of a key in the store.
fn node_name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let hint = "use 1 to 253 letters, digits, \"-\", \".\" and \"_\", beginning with a letter or a digit";
    valid(from, "node name", hint, |value| value.as_str().filter(|name| is_node_name(name)).map(str::to_owned))
}

/// Whether a member of a cluster can have this name: 1 to 253 letters, digits, `-`, `.` and `_`, the first one a letter
/// or a digit.
pub fn is_node_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    first && rest && name.len() <= 253
}

fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
    let is_reachable = |ip: &IpAddr| !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
    valid(from, "address", "use one at which other nodes reach this node", |value| {
        value.as_str()?.parse().ok().filter(is_reachable).map(Some)
    })
}

fn low_water<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    number(from, "number of addresses", 0..=1 << 20)
}

#[cfg(test)]
mod tests;
