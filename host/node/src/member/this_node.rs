//! This node's Node object, for a network with the store `kubernetes`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gingham_cluster::{ThisNode, node_name_file};
use gingham_engine::settings::membership::StoreSettings;
use gingham_kubernetes::Watched;
use gingham_ownership::shared_store::SharedStore;
use gingham_ownership::snapshot::Snapshot;
use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};
use tracing::info;

use super::{Member, Settled, cluster_error, deadline};
use crate::cluster_calls::AgentError;
use crate::kubernetes::Kubernetes;
use crate::publication::replace;

/// Between two looks at the Node object: it may have been created again.
const PERIOD: Duration = Duration::from_mins(5);

pub(super) struct NodeObject {
    pub(super) kubernetes: Kubernetes,
    watched: Arc<Watched>,
    /// When its uid was read.
    read: Option<Instant>,
}

impl NodeObject {
    pub(super) fn new(kubernetes: Kubernetes, network: &str) -> Result<Self, AgentError> {
        let watched = kubernetes.watched(network)?;
        Ok(Self { kubernetes, watched, read: None })
    }

    /// The network's records as the watches have them; none while they may be old.
    pub(super) fn records(&self) -> Option<Snapshot> {
        let known = self.watched.records().filter(|_| self.watched.failure().is_none())?;
        Snapshot::read(&known.records, known.at).ok()
    }
}

/// What the agent brings to a network.
pub(super) struct Brought {
    pub(super) store: Box<dyn SharedStore>,
    pub(super) node: ThisNode,
}

/// The store that the agent brings, if the network wants one. The plugin finds this node's name from now on.
pub(super) fn store(settled: &Settled, kubernetes: Option<&Kubernetes>) -> Result<Option<Brought>, AgentError> {
    let cluster = settled.settings.cluster.as_ref();
    if !cluster.is_some_and(|cluster| matches!(cluster.store, StoreSettings::Kubernetes { .. })) {
        return Ok(None);
    }
    let Some(kubernetes) = kubernetes else {
        let text =
            "cluster.store is \"kubernetes\", and this agent does not run in a pod: run it there, or use --kube-server";
        return Err(AgentError::Node(text.to_owned()));
    };
    let store = kubernetes.store(&settled.network)?;
    let name = kubernetes.node.clone();
    let file = node_name_file(&settled.settings.data_dir);
    if !read_text(&file, LARGEST_CONFIGURATION).is_ok_and(|kept| kept == name) {
        replace(&file, &name).map_err(AgentError::of_node)?;
    }
    Ok(Some(Brought { store, node: ThisNode { name, uid: None } }))
}

impl Member {
    /// The network's records, if a list of the store would change nothing here. In the steady state nothing is listed.
    pub(super) fn watched_records(&mut self) -> Result<Option<Snapshot>, AgentError> {
        let Some(records) = self.node_object.as_ref().and_then(NodeObject::records) else { return Ok(None) };
        let agrees = self.with(|_, parts| parts.cluster.agrees_with(&records)).map_err(cluster_error)?;
        Ok(agrees.then_some(records))
    }

    /// Reads the uid of the Node object now and then, and registers it if it is another one.
    pub(super) fn follow_node_object(&mut self) -> Result<(), AgentError> {
        let Some(object) = &mut self.node_object else { return Ok(()) };
        if object.read.is_some_and(|read| read.elapsed() < PERIOD) {
            return Ok(());
        }
        let Some(uid) = object.kubernetes.uid(deadline())? else {
            let text = format!(
                "there is no Node object {}: start the kubelet, or correct --node-name (GINGHAM_NODE_NAME)",
                object.kubernetes.node
            );
            return Err(AgentError::Node(text));
        };
        let is_new = self.with(|_, parts| parts.cluster.follow_node_uid(&parts.policy, &uid, deadline()));
        let is_new = is_new.map_err(cluster_error)?;
        if let Some(object) = &mut self.node_object {
            object.read = Some(Instant::now());
        }
        if is_new {
            info!(network = self.settled().network, "registered the Node object with uid {uid}");
        }
        Ok(())
    }
}
