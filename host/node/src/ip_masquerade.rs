//! The masquerade of this node's networks is as the leases say, also after somebody flushed the ruleset.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gingham_net::masquerade;
use gingham_network::ip_masquerade;
use gingham_network::stale_leases::AddsPaused;

use crate::log;

/// The thread that looks after it.
pub(crate) struct Reconciling {
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Reconciling {
    /// Begins, for all networks of a data directory. `every`: the pause between two looks.
    pub(crate) fn start(data_dir: PathBuf, every: Duration) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut seen = Seen::default();
            loop {
                seen.reconcile(&data_dir);
                if stopped.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends when it is at the end of what it does.
    pub(crate) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            log::warning(None, "the masquerade was not looked after to the end");
        }
    }
}

/// What was found at the last look.
#[derive(Default)]
struct Seen {
    /// The rulesets' generation when all was right.
    generation: Option<u32>,
    faults: BTreeSet<String>,
}

impl Seen {
    /// Nothing is read but a number as long as no ruleset of this node changed.
    fn reconcile(&mut self, data_dir: &Path) {
        let Some(generation) = masquerade::generation() else { return };
        if self.generation == Some(generation) {
            return;
        }
        let mut faults = BTreeSet::new();
        match AddsPaused::try_now(data_dir) {
            // An ADD is under way. The next look is soon.
            Ok(None) => return,
            Err(error) => {
                faults.insert(error.to_string());
            }
            Ok(Some(alone)) => self.restore(&alone, data_dir, &mut faults),
        }
        faults.difference(&self.faults).for_each(|fault| log::warning(None, fault));
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
                Ok(true) => log::info(Some(&network.network), "the masquerade was not as recorded and is restored"),
                Err(fault) => {
                    faults.insert(format!("network {}: {fault}", network.network));
                }
            }
        }
        // A change by another since then is looked at once more; that no ADD was under way makes ours the only one.
        self.generation = if faults.is_empty() { masquerade::generation() } else { None };
    }
}
