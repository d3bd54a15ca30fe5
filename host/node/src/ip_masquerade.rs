//! Restores the masquerade of this node's networks from the leases, also after a flush of the ruleset.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gingham_net::masquerade;
use gingham_network::ip_masquerade;
use gingham_network::stale_leases::AddsPaused;
use tracing::{info, warn};

pub(crate) struct Reconciling {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reconciling {
    /// For all networks of a data directory.
    pub(crate) fn start(data_dir: PathBuf, interval: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut state = State::default();
            loop {
                state.reconcile(&data_dir);
                if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { stop, thread }
    }

    /// Stops the thread after its current pass.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            warn!("the masquerade thread has panicked");
        }
    }
}

#[derive(Default)]
struct State {
    /// The rulesets' generation after the last successful pass.
    generation: Option<u32>,
    faults: BTreeSet<String>,
}

impl State {
    /// Reads only the generation while no ruleset of this node changes.
    fn reconcile(&mut self, data_dir: &Path) {
        let Some(generation) = masquerade::generation() else { return };
        if self.generation == Some(generation) {
            return;
        }
        let mut faults = BTreeSet::new();
        match AddsPaused::try_now(data_dir) {
            // An ADD is running. The next pass is soon.
            Ok(None) => return,
            Err(error) => {
                faults.insert(error.to_string());
            }
            Ok(Some(alone)) => self.restore(&alone, data_dir, &mut faults),
        }
        faults.difference(&self.faults).for_each(|fault| warn!("{fault}"));
        self.faults = faults;
    }

    fn restore(&mut self, alone: &AddsPaused, data_dir: &Path, faults: &mut BTreeSet<String>) {
        let restored = match ip_masquerade::restore(alone, data_dir) {
            Ok(restored) => restored,
            Err(error) => {
                faults.insert(error.to_string());
                return;
            }
        };
        for network in restored {
            match network.changed {
                Ok(false) => {}
                Ok(true) => {
                    info!(network = network.network, "restored the masquerade, which differed from the leases");
                }
                Err(fault) => {
                    faults.insert(format!("network {}: {fault}", network.network));
                }
            }
        }
        // No ADD is running. A change of another process since then only costs one more pass.
        self.generation = if faults.is_empty() { masquerade::generation() } else { None };
    }
}
