//! Reading the configuration directory and following it, beside the event loop: a directory on a file system that hangs
//! stops nothing else. One reading at a time; whoever asks meanwhile gets the next.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::keeping::Keepers;
use crate::log;
use crate::networks::{self, Found};

/// A reading that takes longer is complained of.
const SLOW: Duration = Duration::from_secs(30);

/// The networks that are kept, and what is being done about the directory that names them.
pub(crate) struct Reload {
    directory: PathBuf,
    job: Job,
    /// Whether the directory is to be read again after this.
    again: bool,
    /// Faults that were reported.
    reported: BTreeSet<String>,
    started: Instant,
    is_slow: bool,
}

enum Job {
    Idle(Keepers),
    Reading(JoinHandle<Found>, Keepers),
    /// Threads that end may take a moment.
    Following(JoinHandle<Keepers>),
    /// Between two of these.
    Changing,
}

impl Reload {
    pub(crate) fn new(keepers: Keepers, directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            job: Job::Idle(keepers),
            again: false,
            reported: BTreeSet::new(),
            started: Instant::now(),
            is_slow: false,
        }
    }

    /// Begins to read the directory, now or after what is being done.
    pub(crate) fn begin(&mut self) {
        self.again = true;
        self.job = match std::mem::replace(&mut self.job, Job::Changing) {
            Job::Idle(keepers) => {
                (self.again, self.started) = (false, Instant::now());
                let directory = self.directory.clone();
                Job::Reading(spawn_blocking(move || networks::read(&directory)), keepers)
            }
            busy => busy,
        };
    }

    /// Waits for the next step of what is being done; true once the directory is followed. May be dropped and called again.
    pub(crate) async fn step(&mut self) -> io::Result<bool> {
        match &mut self.job {
            Job::Reading(reading, _) => {
                let found = reading.await.map_err(io::Error::from)?;
                self.follow(found);
                Ok(false)
            }
            Job::Following(following) => {
                let keepers = following.await.map_err(io::Error::from)?;
                self.job = Job::Idle(keepers);
                if self.again {
                    self.begin();
                }
                Ok(true)
            }
            Job::Idle(_) | Job::Changing => pending().await,
        }
    }

    fn follow(&mut self, found: Found) {
        if std::mem::take(&mut self.is_slow) {
            log::info(None, &format!("settled: {} is read", self.directory.display()));
        }
        let faults: BTreeSet<_> = found.faults.into_iter().collect();
        faults.difference(&self.reported).for_each(|fault| log::warning(None, fault));
        self.reported = faults;
        if let Job::Reading(_, mut keepers) = std::mem::replace(&mut self.job, Job::Changing) {
            self.job = Job::Following(spawn_blocking(move || {
                keepers.follow(found.networks);
                keepers
            }));
        }
    }

    /// Complains once of a reading that takes too long.
    pub(crate) fn watch(&mut self) {
        if matches!(self.job, Job::Reading(..)) && !self.is_slow && self.started.elapsed() > SLOW {
            self.is_slow = true;
            let (directory, seconds) = (self.directory.display(), SLOW.as_secs());
            log::warning(
                None,
                &format!(
                    "reading {directory} takes longer than {seconds} s, networks stay as they were read last; check the \
                     file system it is on"
                ),
            );
        }
    }

    /// Ends all networks. A reading that hangs is left to itself.
    pub(crate) async fn end(self) -> io::Result<()> {
        let mut keepers = match self.job {
            Job::Idle(keepers) | Job::Reading(_, keepers) => keepers,
            Job::Following(following) => following.await.map_err(io::Error::from)?,
            Job::Changing => return Ok(()),
        };
        spawn_blocking(move || keepers.end()).await.map_err(io::Error::from)
    }
}
