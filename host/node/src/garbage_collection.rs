//! Garbage collection of networks without a cluster. Networks with a cluster do it in their reconcile loop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use gingham_engine::boot_id;
use gingham_network::holdings::Holdings;
use tracing::warn;

use crate::cluster_calls::AgentError;
use crate::networks;
use crate::stale_leases::StaleLeases;

/// One network of one data directory.
type Place = (PathBuf, String);

#[derive(Default)]
struct GarbageCollection {
    /// What was found last.
    found: BTreeMap<Place, (StaleLeases, BTreeSet<String>)>,
}

/// Starts a thread that runs until the process ends. A lease is freed if its container is gone in two passes, `interval` apart.
pub(crate) fn start(data_dir: PathBuf, config_dir: PathBuf, interval: Duration) -> io::Result<()> {
    let watch = move || {
        let mut collection = GarbageCollection::default();
        let mut reported = BTreeSet::new();
        loop {
            let problems: BTreeSet<String> = collection.run(&data_dir, &config_dir).into_iter().collect();
            problems.difference(&reported).for_each(|problem| warn!("{problem}"));
            reported = problems;
            thread::sleep(interval);
        }
    };
    thread::Builder::new().name("gc".to_owned()).spawn(watch).map(drop)
}

impl GarbageCollection {
    /// Frees what this pass and the last one found. Returns the problems.
    fn run(&mut self, data_dir: &Path, config_dir: &Path) -> Vec<String> {
        let boot = match boot_id::read() {
            Ok(boot) => boot,
            Err(error) => return vec![error.to_string()],
        };
        let configured = networks::read(config_dir);
        let mut places = BTreeSet::new();
        let mut problems = Vec::new();
        for directory in configured.data_dirs.iter().map(PathBuf::as_path).chain([data_dir]) {
            match Holdings::read(directory, None) {
                Ok(holdings) => {
                    places.extend(holdings.attachments.into_iter().map(|held| (directory.to_owned(), held.network)));
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        places.retain(|(_, network)| !configured.networks.contains_key(network));
        self.found.retain(|place, _| places.contains(place));
        for place in places {
            problems.extend(self.collect(place, &boot).err().map(|error| error.to_string()));
        }
        problems
    }

    fn collect(&mut self, place: Place, boot: &str) -> Result<(), AgentError> {
        let (directory, network) = place.clone();
        let (leases, before) = self.found.entry(place).or_default();
        let now = leases.find(&directory, &network, boot)?;
        let twice = now.intersection(before).cloned().collect();
        *before = now;
        leases.free(&twice, &directory, &network, boot).map(drop)
    }
}
