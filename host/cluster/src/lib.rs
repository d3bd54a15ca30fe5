//! A network's cluster, from its settings: who this node is, which store it uses, and what this node may hand out
//! without a call to it.
//!
//! The rules are in [`gingham_ownership`], as tasks that do no I/O. Here they are driven: each step under the
//! local store's lock and durable before its call leaves, each call within a deadline. Three users:
//!
//! - the plugin reads what is [`Cluster::claimed`] in the transaction of an ADD, without a network call; only if nothing
//!   is free there, [`Cluster::ensure`] claims more;
//! - the agent claims ahead ([`Cluster::claim_ahead`]), releases idle blocks, beats, and knows the other nodes
//!   ([`Cluster::sync`]);
//! - the admin CLI shows the cluster, joins, leaves and takes dead nodes over.

mod administration;
mod agent;
mod claimed;
mod confirmation;
mod directory_store;
mod error;
mod free_addresses;
mod leased_blocks;
mod member_list;
mod membership;
mod migration;
mod node_identity;
mod node_routes;
mod occupancy;
mod state;
mod task_driver;

use std::path::Path;

use gingham_engine::cluster_policy::ClusterPolicy;
use gingham_engine::settings::Settings;
use gingham_engine::settings::membership::{ClusterSettings, StoreSettings};
use gingham_etcd::Etcd;
use gingham_ownership::shared_store::SharedStore;

pub use administration::{MemberStatus, Status, Usage};
pub use agent::{AgentError, Answer, RoomAnswer, ask};
pub use claimed::{Blocks, Claimed};
pub use error::Fault;
pub use membership::Ensured;
pub use migration::{Contents, Migrated, Migration, MigrationError, NodeUids, Plan, SETTLE_TIME, Side};
pub use node_identity::{ThisNode, node_name_file};
pub use node_routes::{Peer, peers};
pub use occupancy::Occupancy;

use directory_store::DirectoryStore;

/// A network's policy, as far as it divides the range.
pub type Policy<'a> = ClusterPolicy<'a>;

/// A network's cluster as this node sees it. Nothing is opened until it is needed.
pub struct Cluster<'a> {
    network: &'a str,
    settings: &'a Settings,
    /// `ipam.cluster`.
    keys: ClusterSettings,
    node: String,
    /// In Kubernetes: the uid of this node's Node object, if it is known here.
    node_uid: Option<String>,
    boot: &'a str,
    store: Option<Box<dyn SharedStore>>,
    /// The agent has looked just now, and the store does not answer it either.
    is_vouched: bool,
}

impl<'a> Cluster<'a> {
    /// The cluster of a network. `boot` is the kernel's boot id. Without `ipam.cluster` the node is alone.
    ///
    /// # Errors
    /// [`Fault::Settings`] if the host name is no name for a node.
    pub fn new(network: &'a str, settings: &'a Settings, boot: &'a str) -> Result<Self, Fault> {
        let keys = settings.cluster.clone().unwrap_or_default();
        let node = node_identity::node_name(&keys, &settings.data_dir)?;
        Ok(Self { network, settings, keys, node, node_uid: None, boot, store: None, is_vouched: false })
    }

    /// With a store that this crate does not open itself, and what is known of this node where that store is: the agent and
    /// the admin CLI bring the Kubernetes API, the plugin does not.
    #[must_use]
    pub fn with_store(self, store: Box<dyn SharedStore>, node: Option<ThisNode>) -> Self {
        let (node, node_uid) = node.map_or((self.node, self.node_uid), |node| (node.name, node.uid));
        Self { store: Some(store), node, node_uid, ..self }
    }

    /// Where this node's agent listens, if it alone can call the store.
    pub(crate) fn agent_socket(&self) -> Option<&Path> {
        match &self.keys.store {
            StoreSettings::Kubernetes { agent_socket } if self.store.is_none() => Some(agent_socket),
            _ => None,
        }
    }

    /// Whether kubelets show the life of nodes: then no member writes a sign of its own.
    pub fn has_leases(&self) -> bool {
        matches!(self.keys.store, StoreSettings::Kubernetes { .. })
    }

    /// Whether the store can be called from this process.
    pub fn can_call_store(&self) -> bool {
        self.is_shared() && self.agent_socket().is_none()
    }

    /// This node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

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
                StoreSettings::Directory { path } => Box::new(DirectoryStore::new(path, self.network)),
                StoreSettings::Kubernetes { .. } => {
                    return Err(Fault::AgentOnly { network: self.network.to_owned() });
                }
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
