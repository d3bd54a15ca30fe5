//! What the agent of a Kubernetes node does beside reconciling: the network's object becomes the node's configuration, and the
//! Node shows whether pods can get addresses. Neither delays a reconcile; the API server may be away for any time.

mod network_object;
mod node_conditions;
mod values;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use gingham_kubernetes::{Api, ApiError};
use gingham_network::published::staging;
use serde_json::Value;
use tracing::{info, warn};

use self::network_object::NetworkObject;
use self::node_conditions::NodeConditions;
use self::values::{Values, ValuesError};
use crate::kubernetes::Kubernetes;
use crate::publication::{ConflistError, Published, Publisher, conflist, replace};
use crate::reconcile::Board;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failure of the API server.
const RETRY: Duration = Duration::from_secs(5);
/// Between two looks at what is to be published, and before a watch that ended is begun again.
const STEP: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub(crate) enum KubernetesNodeError {
    #[error(
        "--kubernetes needs a Kubernetes API, and this agent does not run in a pod: run it there, or use --kube-server"
    )]
    NoApi,
    #[error(transparent)]
    Values(#[from] ValuesError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Conflist(#[from] ConflistError),
    #[error("AddressNetwork {0} has no spec.config; add the object of a plugin in a conflist")]
    NoConfig(String),
    #[error("cannot write {path}: {source}")]
    Stage { path: PathBuf, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// Of the command line.
pub(crate) struct Places {
    /// Has the values, as files.
    pub(crate) values: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) config_dir: PathBuf,
    pub(crate) plugin_dir: PathBuf,
}

/// Starts threads that run until the process ends.
pub(crate) fn start(
    places: Places,
    kubernetes: Option<Kubernetes>,
    board: &Board,
) -> Result<Published, KubernetesNodeError> {
    let Kubernetes { api, node } = kubernetes.ok_or(KubernetesNodeError::NoApi)?;
    let values = Values::read(&places.values)?;
    let publisher = Publisher::new(&places.data_dir, &places.config_dir, &places.plugin_dir, board.clone());
    let published = publisher.published();
    // A start is no news: the conditions begin with what is published.
    publisher.step();
    let conditions = NodeConditions::new(api.clone(), node, board.clone(), published.clone());
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(KubernetesNodeError::Thread)
    };
    spawn("network", Box::new(move || follow_network(&api, &values, &places)))?;
    spawn("publish", Box::new(move || publish(&publisher)))?;
    spawn("conditions", Box::new(move || conditions.run()))?;
    Ok(published)
}

fn publish(publisher: &Publisher) {
    loop {
        publisher.step();
        thread::sleep(STEP);
    }
}

fn follow_network(api: &Api, values: &Values, places: &Places) {
    let mut reported = String::new();
    loop {
        let mut object = NetworkObject::new(api, values);
        let ended = object.follow(|object| {
            if !reported.is_empty() {
                info!("resolved: {reported}");
                reported.clear();
            }
            stage(object, values, places)
        });
        let Err(error) = ended else {
            // An API server that ends each watch at once is not to be kept busy.
            thread::sleep(STEP);
            continue;
        };
        let text = error.to_string();
        if text != reported {
            warn!("{text}; retrying every {} s", RETRY.as_secs());
            reported = text;
        }
        thread::sleep(RETRY);
    }
}

/// Makes the object the configuration that waits for its publication.
fn stage(object: &Value, values: &Values, places: &Places) -> Result<(), KubernetesNodeError> {
    let no_config = || KubernetesNodeError::NoConfig(values.name.clone());
    let config = object.pointer("/spec/config").ok_or_else(no_config)?;
    let text = conflist(&values.name, config, &places.plugin_dir)?;
    let directory = staging(&places.data_dir);
    let path = directory.join(format!("{}.conflist", values.name));
    if fs::read_to_string(&path).is_ok_and(|present| present == text) {
        return Ok(());
    }
    let staged = fs::create_dir_all(&directory).and_then(|()| replace(&path, &text));
    staged.map_err(|source| KubernetesNodeError::Stage { path: path.clone(), source })?;
    info!(network = values.name, "staged {}", path.display());
    Ok(())
}

fn deadline() -> Instant {
    Instant::now() + CALL_TIMEOUT
}
