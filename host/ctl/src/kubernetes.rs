//! The Kubernetes API, as the command line or a pod's environment names it.

use std::env;
use std::path::{Path, PathBuf};

use gingham_kubernetes::{Api, Config, ConfigError, KubernetesStore, NetworkNameError, Pem, Server, WithLeases};
use gingham_ownership::shared_store::SharedStore;

use crate::cli::KubernetesArguments;

/// Set in every pod.
const SERVICE: &str = "KUBERNETES_SERVICE_HOST";

/// Where Kubernetes puts a pod's credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesError {
    #[error("{0}; use --kube-server, --kube-ca and --kube-token")]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Network(#[from] NetworkNameError),
}

/// None outside of a pod, unless the arguments name an API server.
pub(crate) fn api(arguments: &KubernetesArguments) -> Result<Option<Api>, KubernetesError> {
    let server = match &arguments.kube_server {
        Some(url) => Server::parse(url)?,
        None if env::var_os(SERVICE).is_none_or(|value| value.is_empty()) => return Ok(None),
        None => Config::in_cluster()?.server,
    };
    let of_pod = |name: &str| Path::new(SERVICE_ACCOUNT).join(name);
    let file = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| of_pod(name));
    Ok(Some(Api::new(Config {
        server,
        authority: Pem::File(file(&arguments.kube_ca, "ca.crt")),
        token: Some(file(&arguments.kube_token, "token")),
        identity: None,
    })))
}

/// The store of a network.
pub(crate) fn store(api: Api, network: &str) -> Result<Box<dyn SharedStore>, KubernetesError> {
    Ok(Box::new(WithLeases::new(KubernetesStore::new(api.clone(), network)?, api)))
}
