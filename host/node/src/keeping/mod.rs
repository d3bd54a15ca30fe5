//! Keeping networks: a thread for each, so that one whose store does not answer holds up no other.

mod round;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gingham_ownership::beat::PERIOD;

pub(crate) use self::status::{State, Status};
use crate::cluster::{Cluster, Fault};
use crate::log;
use crate::networks::Network;
use round::Keeping;

/// Opens a network's cluster.
pub(crate) type Open = Arc<dyn Fn(&Network) -> Result<Box<dyn Cluster>, Fault> + Send + Sync>;

/// How often what is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The pause between two rounds.
    pub(crate) every: Duration,
    /// How long something is missed before it is gone, and unused before it is idle.
    pub(crate) looks_apart: Duration,
}

/// Between two signs of life, however long a round's pause is: others measure by it.
const BEAT: Duration = Duration::from_millis(PERIOD);

/// How long the threads are waited for at the end. The longest call has a bound of 5 seconds, a round has few of them.
const PATIENCE: Duration = Duration::from_secs(15);

/// How each network is, for whoever asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(Arc<Mutex<BTreeMap<String, Arc<Mutex<Status>>>>>);

impl Board {
    /// How each network is, by name.
    pub(crate) fn statuses(&self) -> BTreeMap<String, Status> {
        look(&self.0).iter().map(|(name, status)| (name.clone(), look(status).clone())).collect()
    }
}

/// The networks that are kept.
pub(crate) struct Keepers {
    open: Open,
    pace: Pace,
    board: Board,
    running: BTreeMap<String, Running>,
}

struct Running {
    network: Network,
    /// Dropped, it ends the thread.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keepers {
    /// Nothing is kept yet.
    pub(crate) fn new(open: Open, pace: Pace) -> Self {
        Self { open, pace, board: Board::default(), running: BTreeMap::new() }
    }

    /// Where it is written how they are.
    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }

    /// Starts with networks that are new and ends with those that are gone. One whose configuration changed ends and
    /// starts.
    pub(crate) fn follow(&mut self, networks: BTreeMap<String, Network>) {
        let gone: Vec<_> = self
            .running
            .iter()
            .filter(|(name, running)| networks.get(*name) != Some(&running.network))
            .map(|(name, _)| name.clone())
            .collect();
        let ending: Vec<_> = gone.iter().filter_map(|name| self.running.remove(name)).collect();
        look(&self.board.0).retain(|name, _| !gone.contains(name));
        end(ending);
        for (name, network) in networks {
            if !self.running.contains_key(&name) {
                log::info(Some(&name), &format!("kept from now on, as {} says", network.file.display()));
                let status = Arc::new(Mutex::new(Status::new(self.pace.every)));
                look(&self.board.0).insert(name.clone(), Arc::clone(&status));
                self.running.insert(name, start(&self.open, self.pace, network, status));
            }
        }
    }

    /// Ends all threads, when they are at the end of what they do.
    pub(crate) fn end(&mut self) {
        end(std::mem::take(&mut self.running).into_values().collect());
    }
}

/// A poisoned lock is one whose holder panicked; what it guards is numbers.
fn look<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(open: &Open, pace: Pace, network: Network, status: Arc<Mutex<Status>>) -> Running {
    let (stop, stopped) = mpsc::channel();
    let (open, kept) = (Arc::clone(open), network.clone());
    let thread = thread::spawn(move || {
        let mut keeping = Keeping::new(open, kept, pace);
        loop {
            on_a_copy(&status, |next| {
                keeping.round(Instant::now(), next);
                next.last_round = Instant::now();
                next.rounds += 1;
            });
            let mut left = jittered(pace.every);
            while left > BEAT + BEAT / 5 {
                if is_told(&stopped, BEAT) {
                    return;
                }
                left -= BEAT;
                on_a_copy(&status, |next| keeping.beat(next));
            }
            if is_told(&stopped, left) {
                return;
            }
        }
    });
    Running { network, stop, thread }
}

/// Nobody who asks waits for the work.
fn on_a_copy(status: &Mutex<Status>, work: impl FnOnce(&mut Status)) {
    let mut next = look(status).clone();
    work(&mut next);
    *look(status) = next;
}

/// Whether the end is there before the pause is over.
fn is_told(stopped: &Receiver<()>, pause: Duration) -> bool {
    stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
}

/// Up to a tenth more, so that nodes that started together do not ask together.
fn jittered(every: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    every + every * u32::from(byte[0]) / 2_560
}

fn end(ending: Vec<Running>) {
    let deadline = Instant::now() + PATIENCE;
    let ending: Vec<_> = ending
        .into_iter()
        .map(|running| {
            drop(running.stop);
            (running.network.name, running.thread)
        })
        .collect();
    for (name, thread) in ending {
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() && thread.join().is_ok() {
            log::info(Some(&name), "not kept any more; its routes stay");
        } else {
            log::warning(Some(&name), "what was being done is left as it is");
        }
    }
}
