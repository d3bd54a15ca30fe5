//! The Kubernetes that this agent runs in, if it does: the API server, and this node's Node object.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use clap::Args;
use gingham_engine::settings::membership::is_node_name;
use gingham_kubernetes::{
    AGENT, Api, Config, ConfigError, KubernetesStore, Permissions, Resource, SILENCE, Watched, WithLeases,
};
use gingham_ownership::shared_store::SharedStore;
use serde_json::Value;

use crate::cluster_calls::AgentError;

/// The name of this agent's Node object, from the downward API.
const NODE_NAME: &str = "GINGHAM_NODE_NAME";

#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("--node-name (or {NODE_NAME}): {0:?} is no name of a Node object")]
    NodeName(String),
}

/// For networks with the store `kubernetes`.
#[derive(Debug, Default, Args)]
pub(crate) struct KubernetesArguments {
    /// The name of this node's Node object; by default the variable `GINGHAM_NODE_NAME`, then the host name
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// The Kubernetes API, https://HOST:PORT; by default the variable `GINGHAM_KUBE_SERVER`, then as in a pod, by
    /// `KUBERNETES_SERVICE_HOST` and `KUBERNETES_SERVICE_PORT`
    #[arg(long, value_name = "URL")]
    pub(crate) kube_server: Option<String>,
    /// PEM file of the authority that signed the API server's certificate; by default the pod's
    #[arg(long, value_name = "FILE")]
    pub(crate) kube_ca: Option<PathBuf>,
    /// File of the token for the Kubernetes API; by default the pod's. It is read for each call
    #[arg(long, value_name = "FILE")]
    pub(crate) kube_token: Option<PathBuf>,
}

#[derive(Clone)]
pub(crate) struct Kubernetes {
    pub(crate) api: Api,
    /// The name of the Node object.
    pub(crate) node: String,
    /// By network, while something follows it.
    pub(crate) watched: Arc<Mutex<BTreeMap<String, Weak<Watched>>>>,
}

impl Kubernetes {
    /// None outside of a pod, unless the arguments name an API server.
    pub(crate) fn of_this_process(arguments: &KubernetesArguments) -> Result<Option<Self>, KubernetesError> {
        let (authority, token) = (arguments.kube_ca.as_deref(), arguments.kube_token.as_deref());
        let Some(config) = Config::find(arguments.kube_server.as_deref(), authority, token)? else { return Ok(None) };
        let node = match arguments.node_name.clone().or_else(|| set(NODE_NAME)) {
            Some(name) if is_node_name(&name) => name,
            Some(name) => return Err(KubernetesError::NodeName(name)),
            None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        Ok(Some(Self { api: Api::new(config, Permissions::Only(AGENT)), node, watched: Arc::default() }))
    }

    /// The store of a network.
    pub(crate) fn store(&self, network: &str) -> Result<Box<dyn SharedStore>, AgentError> {
        let store = KubernetesStore::new(self.api.clone(), network).map_err(AgentError::of_node)?;
        Ok(Box::new(WithLeases::new(store, self.api.clone())))
    }

    /// A network's records, kept current by watches that all of this process share.
    pub(crate) fn watched(&self, network: &str) -> Result<Arc<Watched>, AgentError> {
        let mut all = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watched) = all.get(network).and_then(Weak::upgrade) {
            return Ok(watched);
        }
        let watched = Arc::new(Watched::start(&self.api, network, SILENCE).map_err(AgentError::of_node)?);
        all.insert(network.to_owned(), Arc::downgrade(&watched));
        Ok(watched)
    }

    /// The uid of this node's Node object; none if it has none.
    pub(crate) fn uid(&self, deadline: Instant) -> Result<Option<String>, AgentError> {
        let node = self.node_object(&self.node, deadline)?;
        Ok(node.and_then(|node| node["metadata"]["uid"].as_str().map(str::to_owned)))
    }

    pub(crate) fn node_object(&self, name: &str, deadline: Instant) -> Result<Option<Value>, AgentError> {
        let node = self.api.get(&Resource::nodes(), name, deadline);
        node.map_err(|error| AgentError::Store(error.to_string()))
    }
}

fn set(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}
