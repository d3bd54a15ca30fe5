//! A network's cluster, from its settings: who this node is, which store has the truth, and what this node may hand out
//! without asking it.
//!
//! The rules are in [`gingham_ownership`], as tasks that do no I/O. Here they are driven: each step under the
//! local store's lock and durable before its call leaves, each call within a deadline. Three users:
//!
//! - the plugin asks what is [`Cluster::claimed`] in the transaction of an ADD, which costs no network; only where that
//!   has no room it lets [`Cluster::ensure`] get more;
//! - the companion keeps room ahead ([`Cluster::claim_ahead`]), gives back what is idle, beats, and knows the others
//!   ([`Cluster::sync`]);
//! - the tool shows the cluster, joins, leaves and takes over.

mod administration;
mod chooser;
mod claimed;
mod directory;
mod drive;
mod error;
mod fixed;
mod machine;
mod membership;
mod occupancy;
mod peers;
mod room;
mod state;
mod ways;

use std::time::{SystemTime, UNIX_EPOCH};

use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::settings::Settings;
use gingham_engine::settings::cluster::{ClusterSettings, StoreSettings};
use gingham_engine::store::StoreLedger;
use gingham_etcd::Etcd;
use gingham_ownership::shared_store::SharedStore;

pub use administration::{MemberStatus, Status, Usage};
pub use claimed::{Blocks, Claimed};
pub use error::Fault;
pub use membership::Ensured;
pub use occupancy::Occupancy;
pub use peers::{Peer, peers};

use directory::Directory;

/// A network's policy, asked about blocks.
pub type Policy<'a> = ClusterPolicy<'a, StoreLedger>;

/// A network's cluster as this node sees it. Nothing is opened until it is needed.
pub struct Cluster<'a> {
    network: &'a str,
    settings: &'a Settings,
    /// `ipam.cluster`.
    keys: ClusterSettings,
    node: String,
    boot: &'a str,
    store: Option<Box<dyn SharedStore>>,
}

impl<'a> Cluster<'a> {
    /// The cluster of a network. `boot` is the kernel's boot id. Without `ipam.cluster` the node is alone.
    ///
    /// # Errors
    /// [`Fault::Settings`] if the host name is no name for a node.
    pub fn new(network: &'a str, settings: &'a Settings, boot: &'a str) -> Result<Self, Fault> {
        let keys = settings.cluster.clone().unwrap_or_default();
        let node = machine::node_name(&keys)?;
        Ok(Self { network, settings, keys, node, boot, store: None })
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Where the truth is kept, and the other keys.
    pub fn settings(&self) -> &ClusterSettings {
        &self.keys
    }

    /// Whether other nodes share a store with this one.
    pub fn is_shared(&self) -> bool {
        self.keys.store.is_shared()
    }

    /// The cluster's store, opened the first time.
    pub(crate) fn store(&mut self) -> Result<&mut dyn SharedStore, Fault> {
        if self.store.is_none() {
            let store: Box<dyn SharedStore> = match &self.keys.store {
                StoreSettings::Etcd(settings) => Box::new(Etcd::new(settings.clone(), self.network)),
                StoreSettings::Directory { path } => Box::new(Directory::new(path, self.network)),
                StoreSettings::Local { .. } => return Err(self.no_store()),
            };
            self.store = Some(store);
        }
        match self.store.as_deref_mut() {
            Some(store) => Ok(store),
            None => Err(Fault::NoStore { network: self.network.to_owned() }),
        }
    }

    pub(crate) fn no_store(&self) -> Fault {
        Fault::NoStore { network: self.network.to_owned() }
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
