//! The Kubernetes that this agent runs in, if it does.

use std::env;

use gingham_kubernetes::{Api, Config, ConfigError};

/// The name of this agent's Node object, from the downward API.
const NODE_NAME: &str = "GINGHAM_NODE_NAME";

/// Set in every pod.
const SERVICE: &str = "KUBERNETES_SERVICE_HOST";

#[derive(Clone)]
pub(crate) struct Kubernetes {
    pub(crate) api: Api,
    /// The name of the Node object.
    pub(crate) node: String,
}

impl Kubernetes {
    /// None outside of a pod.
    pub(crate) fn of_this_process() -> Result<Option<Self>, ConfigError> {
        if env::var_os(SERVICE).is_none_or(|value| value.is_empty()) {
            return Ok(None);
        }
        let named = env::var(NODE_NAME).ok().filter(|name| !name.is_empty());
        let node = named.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Ok(Some(Self { api: Api::new(Config::in_cluster()?), node }))
    }
}
