//! Leases of containers that are gone, in networks that are no cluster's. A cluster's networks see to it in their reconcile
//! loop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{io, thread};

use gingham_engine::boot_id;
use gingham_network::holdings::Holdings;

use crate::cluster::Fault;
use crate::log;
use crate::member::remains::Remains;
use crate::networks;

/// One network of one data directory.
type Place = (PathBuf, String);

/// What the last look found.
#[derive(Default)]
struct StaleLeases {
    found: BTreeMap<Place, (Remains, BTreeSet<String>)>,
}

/// Starts to look, again and again until the process ends. A lease is freed if two looks, `apart` from each other, find its
/// container gone.
pub(crate) fn start(data_dir: PathBuf, config_dir: PathBuf, apart: Duration) -> io::Result<()> {
    let watch = move || {
        let mut leases = StaleLeases::default();
        let mut reported = BTreeSet::new();
        loop {
            let problems: BTreeSet<String> = leases.look(&data_dir, &config_dir).into_iter().collect();
            problems.difference(&reported).for_each(|problem| log::warning(None, problem));
            reported = problems;
            thread::sleep(apart);
        }
    };
    thread::Builder::new().name("stale leases".to_owned()).spawn(watch).map(drop)
}

impl StaleLeases {
    /// Frees what this look and the last one found, and returns what went wrong.
    fn look(&mut self, data_dir: &Path, config_dir: &Path) -> Vec<String> {
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
            problems.extend(self.look_at(place, &boot).err().map(|fault| fault.to_string()));
        }
        problems
    }

    fn look_at(&mut self, place: Place, boot: &str) -> Result<(), Fault> {
        let (directory, network) = place.clone();
        let (remains, before) = self.found.entry(place).or_default();
        let now = remains.look(&directory, &network, boot)?;
        let twice = now.intersection(before).cloned().collect();
        *before = now;
        remains.free(&twice, &directory, &network, boot).map(drop)
    }
}
