//! What the agent of a Kubernetes node does beside reconciling: the network's object becomes the node's configuration, and the
//! Node shows whether pods can get addresses. Neither delays a reconcile; the API server may be away for any time.

mod agreed_range;
mod network_object;
mod node_conditions;
mod object_status;
mod values;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use gingham_kubernetes::{Api, ApiError, Signal};
use gingham_ownership::error::ClusterError;
use serde_json::Value;
use tokio::sync::Notify;
use tracing::{info, warn};

use self::agreed_range::require_agreed;
use self::network_object::NetworkObject;
use self::node_conditions::NodeConditions;
use self::object_status::ObjectStatus;
use self::values::{Values, ValuesError};
use crate::cluster_calls::AgentError;
use crate::kubernetes::Kubernetes;
use crate::last_fault::LastFault;
use crate::networks;
use crate::publication::{ConflistError, GateError, Places, Published, Publisher, conflist, replace, require_usable};
use crate::reconcile::Board;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failure of the API server.
const RETRY: Duration = Duration::from_secs(5);
/// The longest time between two looks at what is to be published.
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
    Network(#[from] AgentError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("cannot follow the network's object: {0}")]
    Watch(String),
    #[error(transparent)]
    Conflist(#[from] ConflistError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error("AddressNetwork {network}, spec.config: {source}")]
    Range { network: String, source: ClusterError },
    #[error("AddressNetwork {0} has no spec.config; add the object of a plugin in a conflist")]
    NoConfig(String),
    #[error("cannot write {path}: {source}")]
    Stage { path: PathBuf, source: io::Error },
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

impl KubernetesNodeError {
    /// Whether only another object ends it.
    fn is_of_object(&self) -> bool {
        matches!(self, Self::Conflist(_) | Self::Gate(_) | Self::Range { .. } | Self::NoConfig(_))
    }
}

/// Starts threads that run until the process ends. `values` is a directory with them, as files; `staged` is notified of
/// each new configuration.
pub(crate) fn start(
    (values, places): (&Path, Places),
    kubernetes: Option<Kubernetes>,
    board: &Board,
    staged: Arc<Notify>,
) -> Result<Published, KubernetesNodeError> {
    let kubernetes = kubernetes.ok_or(KubernetesNodeError::NoApi)?;
    let (api, node) = (kubernetes.api.clone(), kubernetes.node.clone());
    let (directory, values) = (values.to_owned(), Values::read(values)?);
    let publisher = Publisher::new(&values.name, &places, board.clone());
    let published = publisher.published();
    // A start is no news: the conditions begin with what is published.
    publisher.step();
    let conditions = NodeConditions::new(api.clone(), node, board.clone(), published.clone());
    let watched = kubernetes.watched(&values.name)?;
    let status = ObjectStatus::new(kubernetes, &values.name, (board.clone(), published.clone()), watched);
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(KubernetesNodeError::Thread)
    };
    let (changed, shown) = (Arc::clone(board.changed()), published.clone());
    spawn("network", Box::new(move || follow_network(&api, (&directory, &values), (&places, &staged), &shown)))?;
    spawn("publish", Box::new(move || publish(&publisher, &changed)))?;
    spawn("conditions", Box::new(move || conditions.run()))?;
    spawn("status", Box::new(move || status.run()))?;
    Ok(published)
}

fn publish(publisher: &Publisher, changed: &Signal) {
    loop {
        let seen = changed.changes();
        publisher.step();
        changed.wait(seen, STEP);
    }
}

fn follow_network(
    api: &Api,
    (directory, values): (&Path, &Values),
    (places, staged): (&Places, &Notify),
    published: &Published,
) {
    let mut object = NetworkObject::new(api, (directory, values));
    let mut last = LastFault::default();
    loop {
        let step = object.step(|object| {
            let is_new = stage(object, values, places);
            published.refuse(is_new.as_ref().err().filter(|error| error.is_of_object()).map(ToString::to_string));
            if is_new? {
                staged.notify_one();
            }
            Ok(())
        });
        // Of the object that was to be made; one that is there was judged above.
        if let Err(error @ KubernetesNodeError::Values(_)) = &step {
            published.refuse(Some(error.to_string()));
        }
        match step {
            Ok(()) => last.end().iter().for_each(|fault| info!("resolved: {fault}")),
            Err(error) => {
                if let Some(text) = last.news(&error) {
                    warn!("{text}; retrying every {} s", RETRY.as_secs());
                }
                thread::sleep(RETRY);
            }
        }
        object.wait(RETRY);
    }
}

/// Makes the object the configuration that waits for its publication. Returns whether it is a new one.
fn stage(object: &Value, values: &Values, places: &Places) -> Result<bool, KubernetesNodeError> {
    let no_config = || KubernetesNodeError::NoConfig(values.name.clone());
    let config = object.pointer("/spec/config").ok_or_else(no_config)?;
    let (list, path) = (conflist(&values.name, config, &places.plugin_dir)?, places.staged(&values.name));
    require_usable(&values.name, &list, &path, &places.library)?;
    let text = format!("{list:#}\n");
    if fs::read_to_string(&path).is_ok_and(|present| present == text) {
        return Ok(false);
    }
    for network in networks::read_text_of(&path, &text).all() {
        let other = |source| KubernetesNodeError::Range { network: values.name.clone(), source };
        require_agreed(object, network, &places.library).map_err(other)?;
    }
    let staged = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| replace(&path, &text));
    staged.map_err(|source| KubernetesNodeError::Stage { path: path.clone(), source })?;
    info!(network = values.name, "staged {}", path.display());
    Ok(true)
}

fn deadline() -> Instant {
    Instant::now() + CALL_TIMEOUT
}
