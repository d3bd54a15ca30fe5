//! Reads the configuration directory on a thread of its own, so that a file system that hangs stops nothing else. One reading
//! at a time; a request during a reading starts the next one.

use std::collections::BTreeSet;
use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

use crate::networks::{self, Directories, Found};
use crate::reconcile::Reconcilers;

/// A reading that takes longer is logged.
const SLOW: Duration = Duration::from_secs(30);

/// The reconciled networks, and the state of reading their directory.
pub(crate) struct Reload {
    directories: Directories,
    job: Job,
    /// Whether the directory is to be read again after this.
    again: bool,
    /// Faults that were logged.
    reported: BTreeSet<String>,
    started: Instant,
    is_slow: bool,
}

enum Job {
    Idle(Reconcilers),
    Reading(JoinHandle<Found>, Reconcilers),
    /// Threads that end may take a moment.
    Following(JoinHandle<Reconcilers>),
    /// Between two of these.
    Changing,
}

impl Reload {
    pub(crate) fn new(reconcilers: Reconcilers, directories: Directories) -> Self {
        Self {
            directories,
            job: Job::Idle(reconcilers),
            again: false,
            reported: BTreeSet::new(),
            started: Instant::now(),
            is_slow: false,
        }
    }

    /// Starts to read the directory, now or after the current step.
    pub(crate) fn begin(&mut self) {
        self.again = true;
        self.job = match std::mem::replace(&mut self.job, Job::Changing) {
            Job::Idle(reconcilers) => {
                (self.again, self.started) = (false, Instant::now());
                let directories = self.directories.clone();
                Job::Reading(spawn_blocking(move || networks::read_all(&directories)), reconcilers)
            }
            busy => busy,
        };
    }

    /// Waits for the current step; true once the networks match the directory. May be dropped and called again.
    pub(crate) async fn step(&mut self) -> io::Result<bool> {
        match &mut self.job {
            Job::Reading(reading, _) => {
                let found = reading.await.map_err(io::Error::from)?;
                self.follow(found);
                Ok(false)
            }
            Job::Following(following) => {
                let reconcilers = following.await.map_err(io::Error::from)?;
                self.job = Job::Idle(reconcilers);
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
            info!("resolved: {} was read", self.directories.configured.display());
        }
        let faults: BTreeSet<_> = found.faults.into_iter().collect();
        faults.difference(&self.reported).for_each(|fault| warn!("{fault}"));
        self.reported = faults;
        if let Job::Reading(_, mut reconcilers) = std::mem::replace(&mut self.job, Job::Changing) {
            self.job = Job::Following(spawn_blocking(move || {
                reconcilers.follow(found.networks);
                reconcilers
            }));
        }
    }

    /// Logs a reading that takes too long, once.
    pub(crate) fn watch(&mut self) {
        if matches!(self.job, Job::Reading(..)) && !self.is_slow && self.started.elapsed() > SLOW {
            self.is_slow = true;
            let (directory, seconds) = (self.directories.configured.display(), SLOW.as_secs());
            warn!(
                "reading {directory} takes longer than {seconds} s, networks stay as they were read last; check its \
                     file system"
            );
        }
    }

    /// Stops all networks, without waiting for a reading that hangs.
    pub(crate) async fn end(self) -> io::Result<()> {
        let mut reconcilers = match self.job {
            Job::Idle(reconcilers) | Job::Reading(_, reconcilers) => reconcilers,
            Job::Following(following) => following.await.map_err(io::Error::from)?,
            Job::Changing => return Ok(()),
        };
        spawn_blocking(move || reconcilers.end()).await.map_err(io::Error::from)
    }
}
