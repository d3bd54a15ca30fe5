//! The Kubernetes API, as the command line or a pod's environment names it.

use std::collections::BTreeMap;
use std::time::Instant;

use gingham_kubernetes::{
    AGENT, Api, ApiError, Config, ConfigError, KubernetesStore, NetworkNameError, Permissions, Resource, Selection,
    WithLeases,
};
use gingham_ownership::shared_store::SharedStore;
use serde_json::Value;

use crate::cli::KubernetesArguments;

#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    #[error("{0}; use --kube-server, --kube-ca and --kube-token")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Network(#[from] NetworkNameError),
    #[error("the Kubernetes API is not known here: use --kube-server, --kube-ca and --kube-token, or run in a pod")]
    NoServer,
    #[error(transparent)]
    Api(Box<ApiError>),
}

impl From<ApiError> for KubernetesError {
    fn from(error: ApiError) -> Self {
        Self::Api(Box::new(error))
    }
}

/// None outside of a pod, unless the arguments name an API server.
pub(crate) fn api(arguments: &KubernetesArguments) -> Result<Option<Api>, KubernetesError> {
    let (authority, token) = (arguments.kube_ca.as_deref(), arguments.kube_token.as_deref());
    Ok(Config::find(arguments.kube_server.as_deref(), authority, token)?
        .map(|config| Api::new(config, Permissions::Only(AGENT))))
}

/// The store of a network.
pub(crate) fn store(api: Api, network: &str) -> Result<Box<dyn SharedStore>, KubernetesError> {
    Ok(Box::new(WithLeases::new(KubernetesStore::new(api.clone(), network)?, api)))
}

/// The uids of all Node objects, by name.
pub(crate) fn node_uids(api: &Api, deadline: Instant) -> Result<BTreeMap<String, String>, KubernetesError> {
    let nodes = api.list(&Resource::nodes(), &Selection::default(), deadline)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let named = nodes.items.iter().filter_map(|node| {
        let metadata = &node["metadata"];
        Some((text(&metadata["name"])?, text(&metadata["uid"])?))
    });
    Ok(named.collect())
}

/// The configuration in the object of a network, if there is one.
pub(crate) fn configured(api: &Api, network: &str, deadline: Instant) -> Result<Option<Value>, KubernetesError> {
    let object = api.get(&Resource::networks(), network, deadline)?;
    Ok(object.map(|mut object| object["spec"]["config"].take()).filter(Value::is_object))
}
