//! The configuration that the runtime reads is written last: when the plugin runs, its policy loads, and the node has
//! addresses and routes. Until then the node has no network, and no pod fails on it. At the agent's end nothing is removed.

mod conflist;
mod foreign;
mod replacement;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use gingham_kubernetes::Signal;
use gingham_network::plan::OWN_NAME;
use gingham_network::published::{is_published_file, staging};
use gingham_untrusted::file::{FileError, LARGEST_CONFIGURATION, read_text};
use tracing::{info, warn};

pub(crate) use self::conflist::{ConflistError, conflist};
pub(crate) use self::replacement::replace;
use crate::reconcile::{Board, State};

/// Runtimes take the first file of the directory.
pub(crate) const FILE: &str = "10-gingham.conflist";

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Publication {
    /// Why the runtime does not have the configuration; none if it has.
    pub(crate) waiting: Option<String>,
    /// It waits for a correction.
    pub(crate) is_refused: bool,
    /// A configuration of others that the runtime takes first.
    pub(crate) foreign: Option<PathBuf>,
}

/// Why something is not published.
struct Waiting {
    reason: String,
    is_refused: bool,
}

impl From<String> for Waiting {
    fn from(reason: String) -> Self {
        Self { reason, is_refused: false }
    }
}

/// Why there is no network; none while it is created or read. Shared by the threads.
pub(crate) type NoNetwork = Arc<Mutex<Option<String>>>;

/// Where the node's files are.
#[derive(Debug, Clone)]
pub(crate) struct Places {
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
    changed: Arc<Signal>,
}

impl Published {
    fn new(changed: Arc<Signal>) -> Self {
        let waiting = Some("the agent has just started".to_owned());
        Self { publication: Arc::new(Mutex::new(Publication { waiting, ..Publication::default() })), changed }
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
    no_network: NoNetwork,
    published: Published,
}

impl Publisher {
    pub(crate) fn new(network: &str, places: &Places, board: Board, no_network: NoNetwork) -> Self {
        let published = Published::new(Arc::clone(board.changed()));
        let Places { config_dir, plugin_dir, .. } = places.clone();
        let (network, staged) = (network.to_owned(), places.staged(network));
        Self { network, staged, config_dir, plugin_dir, board, no_network, published }
    }

    pub(crate) fn published(&self) -> Published {
        self.published.clone()
    }

    /// Publishes what is staged, if the node can serve it.
    pub(crate) fn step(&self) {
        let waiting = self.publish().err();
        let is_refused = waiting.as_ref().is_some_and(|waiting| waiting.is_refused);
        let foreign = foreign::first(&self.config_dir, FILE);
        self.published.set(Publication { waiting: waiting.map(|waiting| waiting.reason), is_refused, foreign });
    }

    fn publish(&self) -> Result<(), Waiting> {
        let file = self.config_dir.join(FILE);
        let Some(text) = self.staged()? else {
            // With the API server unreachable since the start, the last configuration is as good as ever.
            let is_there = file.exists();
            return if is_there { Ok(()) } else { Err(self.no_network()) };
        };
        if read_text(&file, LARGEST_CONFIGURATION).is_ok_and(|present| present == text) {
            return Ok(());
        }
        self.require_addresses()?;
        // Last: it starts a process.
        require_plugin(&self.plugin_dir.join(OWN_NAME))?;
        replace(&file, &text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        info!(network = self.network, "wrote {}", file.display());
        Ok(())
    }

    fn no_network(&self) -> Waiting {
        let reason = self.no_network.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_refused = reason.is_some();
        Waiting { reason: reason.unwrap_or_else(|| "no network is known yet".to_owned()), is_refused }
    }

    /// The configuration that waits; none while the network's object was never seen.
    fn staged(&self) -> Result<Option<String>, String> {
        match read_text(&self.staged, LARGEST_CONFIGURATION) {
            Ok(text) => Ok(Some(text)),
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {}: {error}", self.staged.display())),
        }
    }

    /// The reconcile loop has loaded the policy, joined, claimed and routed.
    fn require_addresses(&self) -> Result<(), Waiting> {
        let (network, statuses) = (self.network.as_str(), self.board.statuses());
        let Some(status) = statuses.get(network) else {
            return Err(format!("network {network} is not reconciled yet").into());
        };
        match &status.state {
            State::Failed(reason) if status.is_refused => Err(self.refused(reason)),
            State::Starting => Err(format!("network {network} is starting").into()),
            State::StoreUnreachable(reason) => {
                Err(format!("network {network}: the store is unreachable: {reason}").into())
            }
            State::Failed(reason) => Err(format!("network {network}: {reason}").into()),
            State::Reconciled if status.usage.free + status.usage.cooling == 0 => {
                Err(format!("network {network}: this node has no free address").into())
            }
            State::Reconciled => Ok(()),
        }
    }

    /// Where to correct it, and what pods have meanwhile.
    fn refused(&self, reason: &str) -> Waiting {
        let has_earlier = is_published_file(&self.config_dir.join(FILE));
        let meanwhile = if has_earlier { "; the node serves pods by the earlier configuration" } else { "" };
        let reason = format!("AddressNetwork {}, spec.config: {reason}{meanwhile}", self.network);
        Waiting { reason, is_refused: true }
    }
}

/// Half a file, or one for another processor, does not answer.
fn require_plugin(plugin: &Path) -> Result<(), String> {
    let mut command = Command::new(plugin);
    command.env_clear().env("CNI_COMMAND", "VERSION");
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the plugin {} does not run: {status}", plugin.display())),
        Err(error) => Err(format!("the plugin {} does not run: {error}", plugin.display())),
    }
}

#[cfg(test)]
mod tests;
