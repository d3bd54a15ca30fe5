//! The configuration that the runtime reads is written last: when the plugin runs, its policy loads, and the node has
//! addresses and routes. Until then the node has no network, and no pod fails on it. At the agent's end nothing is removed.

mod conflist;
mod foreign;
mod gate;
mod plugin;
mod replacement;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use gingham_kubernetes::Signal;
use gingham_network::plan::OWN_NAME;
use gingham_network::published::staging;
use gingham_untrusted::file::{FileError, LARGEST_CONFIGURATION, read_text};
use tracing::{info, warn};

pub(crate) use self::conflist::{ConflistError, conflist};
pub(crate) use self::gate::{GateError, require_usable};
use self::plugin::require_plugin;
pub(crate) use self::replacement::replace;
use crate::networks;
use crate::reconcile::{Board, State, Status, Unusable};

/// Runtimes take the first file of the directory.
pub(crate) const FILE: &str = "10-gingham.conflist";

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Why the runtime does not have the configuration; none if it has.
    pub(crate) waiting: Option<String>,
    /// A configuration of others that the runtime takes first.
    pub(crate) foreign: Option<PathBuf>,
    /// Why the network's object is not what waits: the plugin would refuse it.
    pub(crate) refused: Option<String>,
    /// Whether the runtime has the configuration of before.
    pub(crate) has_earlier: bool,
}

/// Where the node's files are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Of installed policies.
    pub(crate) library: PathBuf,
    pub(crate) data_dir: PathBuf,
    pub(crate) config_dir: PathBuf,
    pub(crate) plugin_dir: PathBuf,
}

impl Places {
    /// A network's configuration before the runtime has it.
    pub(crate) fn staged(&self, network: &str) -> PathBuf {
        staging(&self.data_dir).join(format!("{network}.conflist"))
    }
}

/// Shared by the threads.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    publication: Arc<Mutex<Publication>>,
    /// Of the network's object, as it was seen last.
    refused: Arc<Mutex<Option<String>>>,
    changed: Arc<Signal>,
}

impl Published {
    fn new(changed: Arc<Signal>) -> Self {
        let waiting = Some("the agent has just started".to_owned());
        let publication = Publication { waiting, ..Publication::default() };
        Self { publication: Arc::new(Mutex::new(publication)), refused: Arc::default(), changed }
    }

    /// The object is one that no node may get; none ends that.
    pub(crate) fn refuse(&self, reason: Option<String>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        self.changed.notify();
    }

    fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn now(&self) -> Publication {
        self.publication.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs what is new.
    fn set(&self, publication: Publication) {
        let mut kept = self.publication.lock().unwrap_or_else(PoisonError::into_inner);
        if *kept == publication {
            return;
        }
        match &publication.waiting {
            Some(reason) if kept.waiting.as_ref() != Some(reason) && publication.has_earlier => {
                warn!("the runtime keeps the configuration that it has: {reason}");
            }
            Some(reason) if kept.waiting.as_ref() != Some(reason) => info!("not published yet: {reason}"),
            None if kept.waiting.is_some() => info!("the runtime has the network's configuration"),
            _ => {}
        }
        if let Some(foreign) = publication.foreign.as_ref().filter(|foreign| kept.foreign.as_ref() != Some(foreign)) {
            warn!(
                "the runtime uses {} instead of {FILE}, because it sorts first; remove it or rename it",
                foreign.display()
            );
        }
        *kept = publication;
        drop(kept);
        self.changed.notify();
    }
}

pub(crate) struct Publisher {
    network: String,
    staged: PathBuf,
    config_dir: PathBuf,
    plugin_dir: PathBuf,
    board: Board,
    published: Published,
}

impl Publisher {
    pub(crate) fn new(network: &str, places: &Places, board: Board) -> Self {
        let published = Published::new(Arc::clone(board.changed()));
        let Places { config_dir, plugin_dir, .. } = places.clone();
        Self { network: network.to_owned(), staged: places.staged(network), config_dir, plugin_dir, board, published }
    }

    pub(crate) fn published(&self) -> Published {
        self.published.clone()
    }

    /// Publishes what is staged, if the node can serve it.
    pub(crate) fn step(&self) {
        // What was staged before the object went wrong may still have to be published.
        let waiting = self.publish().err();
        let refused = self.published.refused().or_else(|| waiting.as_ref().and(self.refused_by_policy()));
        let waiting = refused.clone().or(waiting);
        let has_earlier = waiting.is_some() && self.config_dir.join(FILE).exists();
        let foreign = foreign::first(&self.config_dir, FILE);
        self.published.set(Publication { waiting, foreign, refused, has_earlier });
    }

    /// What the policy finds in a configuration that the plugin can read.
    fn refused_by_policy(&self) -> Option<String> {
        match self.board.statuses().get(&self.network)? {
            Status { unusable: Some(Unusable::Configuration(reason)), .. } => {
                Some(format!("AddressNetwork {}, spec.config: {reason}", self.network))
            }
            _ => None,
        }
    }

    fn publish(&self) -> Result<(), String> {
        let file = self.config_dir.join(FILE);
        let Some(text) = self.staged()? else {
            // With the API server unreachable since the start, the last configuration is as good as ever.
            let is_there = file.exists();
            return if is_there { Ok(()) } else { Err("no network is known yet".to_owned()) };
        };
        if read_text(&file, LARGEST_CONFIGURATION).is_ok_and(|present| present == text) {
            return Ok(());
        }
        self.require_addresses(&text)?;
        // Last: it starts a process.
        require_plugin(&self.plugin_dir.join(OWN_NAME))?;
        replace(&file, &text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        info!(network = self.network, "wrote {}", file.display());
        Ok(())
    }

    /// The configuration that waits; none while the network's object was never seen.
    fn staged(&self) -> Result<Option<String>, String> {
        match read_text(&self.staged, LARGEST_CONFIGURATION) {
            Ok(text) => Ok(Some(text)),
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {}: {error}", self.staged.display())),
        }
    }

    /// The reconcile loop has loaded the policy, joined, claimed and routed, by this very configuration.
    fn require_addresses(&self, staged: &str) -> Result<(), String> {
        let (network, statuses) = (self.network.as_str(), self.board.statuses());
        let Some(status) = statuses.get(network) else {
            return Err(format!("network {network} is not reconciled yet"));
        };
        // What was staged just now the loop has not seen yet: its state is that of the one before.
        let found = networks::read_text_of(&self.staged, staged);
        if !found.all().any(|network| status.network.as_ref() == Some(network)) {
            return Err(format!("network {network} is not reconciled by its present configuration yet"));
        }
        match &status.state {
            State::Starting => Err(format!("network {network} is starting")),
            State::StoreUnreachable(reason) => Err(format!("network {network}: the store is unreachable: {reason}")),
            State::Failed(reason) => Err(format!("network {network}: {reason}")),
            State::Reconciled if status.usage.free + status.usage.cooling == 0 => {
                Err(format!("network {network}: this node has no free address"))
            }
            State::Reconciled => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
