//! The reconcile loops: one thread per network, so that a store that does not answer delays no other network.

mod reconciler;
mod room;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gingham_kubernetes::Signal;
use gingham_ownership::beat::PERIOD;
use tracing::{info, warn};

use self::room::Orders;
pub(crate) use self::room::Rooms;
pub(crate) use self::status::{State, Status, Unusable};
use crate::cluster_calls::{AgentError, Cluster};
use crate::networks::Network;
use reconciler::Reconciler;
pub(crate) use reconciler::stray;

/// Opens a network's cluster.
pub(crate) type Open = Arc<dyn Fn(&Network) -> Result<Box<dyn Cluster>, AgentError> + Send + Sync>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The pause between two reconciles.
    pub(crate) interval: Duration,
    /// How long a sandbox is missing before it is gone, and a block unused before it is idle.
    pub(crate) grace_period: Duration,
}

/// Between two heartbeats, independent of the interval: other nodes rely on it.
const BEAT: Duration = Duration::from_millis(PERIOD);

/// The longest call has a limit of 5 s, and a reconcile makes few of them.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// The status of each network, shared by the threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    networks: Arc<Mutex<BTreeMap<String, Arc<Mutex<Status>>>>>,
    changed: Arc<Signal>,
}

impl Board {
    /// Of one network.
    #[cfg(test)]
    pub(crate) fn with(network: &str, status: Status) -> Self {
        let networks = BTreeMap::from([(network.to_owned(), Arc::new(Mutex::new(status)))]);
        Self { networks: Arc::new(Mutex::new(networks)), changed: Arc::default() }
    }

    pub(crate) fn statuses(&self) -> BTreeMap<String, Status> {
        lock(&self.networks).iter().map(|(name, status)| (name.clone(), lock(status).clone())).collect()
    }

    /// Notified after each reconcile.
    pub(crate) fn changed(&self) -> &Arc<Signal> {
        &self.changed
    }
}

pub(crate) struct Reconcilers {
    open: Open,
    timing: Timing,
    board: Board,
    rooms: Rooms,
    running: BTreeMap<String, Running>,
}

struct Running {
    network: Network,
    thread: JoinHandle<()>,
}

impl Reconcilers {
    pub(crate) fn new(open: Open, timing: Timing) -> Self {
        Self { open, timing, board: Board::default(), rooms: Rooms::default(), running: BTreeMap::new() }
    }

    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }

    /// For ADDs that wait for a block.
    pub(crate) fn rooms(&self) -> Rooms {
        self.rooms.clone()
    }

    /// Starts the threads of new networks and stops those of removed ones. A changed configuration restarts the thread.
    pub(crate) fn follow(&mut self, networks: BTreeMap<String, Network>) {
        let gone: Vec<_> = self
            .running
            .iter()
            .filter(|(name, running)| networks.get(*name) != Some(&running.network))
            .map(|(name, _)| name.clone())
            .collect();
        let ending: Vec<_> = gone.iter().filter_map(|name| self.running.remove(name)).collect();
        lock(&self.board.networks).retain(|name, _| !gone.contains(name));
        gone.iter().for_each(|name| self.rooms.remove(name));
        end(ending);
        for (name, network) in networks {
            if !self.running.contains_key(&name) {
                info!(network = name, "reconciling, configured by {}", network.file.display());
                let status = Status { network: Some(network.clone()), ..Status::new(self.timing.interval) };
                let status = Arc::new(Mutex::new(status));
                lock(&self.board.networks).insert(name.clone(), Arc::clone(&status));
                let orders = self.rooms.add(&name, &status);
                let shared = (status, Arc::clone(&self.board.changed), orders);
                self.running.insert(name, start(&self.open, self.timing, network, shared));
            }
        }
    }

    /// Stops all threads after their current step.
    pub(crate) fn end(&mut self) {
        self.running.keys().for_each(|name| self.rooms.remove(name));
        end(std::mem::take(&mut self.running).into_values().collect());
    }
}

/// The holder of a poisoned lock panicked, but the numbers behind it stay valid.
fn lock<T>(guarded: &Mutex<T>) -> MutexGuard<'_, T> {
    guarded.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread ends when nothing can send it orders any more.
fn start(
    open: &Open,
    timing: Timing,
    network: Network,
    (status, changed, mut orders): (Arc<Mutex<Status>>, Arc<Signal>, Orders),
) -> Running {
    let (open, own) = (Arc::clone(open), network.clone());
    let thread = thread::spawn(move || {
        let mut reconciler = Reconciler::new(open, own, timing);
        loop {
            on_a_copy(&status, |next| {
                reconciler.reconcile(Instant::now(), next);
                next.last_reconcile = Instant::now();
                next.reconciles += 1;
            });
            changed.notify();
            let mut left = jittered(timing.interval);
            while left > BEAT + BEAT / 5 {
                if !pause(&mut orders, BEAT, &mut reconciler, &status) {
                    return;
                }
                left -= BEAT;
                on_a_copy(&status, |next| reconciler.beat(next));
            }
            if !pause(&mut orders, left, &mut reconciler, &status) {
                return;
            }
        }
    });
    Running { network, thread }
}

/// Readers of the status do not wait for the work.
fn on_a_copy<T>(status: &Mutex<Status>, work: impl FnOnce(&mut Status) -> T) -> T {
    let mut next = lock(status).clone();
    let result = work(&mut next);
    *lock(status) = next;
    result
}

/// Carries out orders for so long; returns false immediately if the thread is to stop.
fn pause(orders: &mut Orders, pause: Duration, reconciler: &mut Reconciler, status: &Mutex<Status>) -> bool {
    let until = Instant::now() + pause;
    loop {
        match orders.next(until) {
            Ok(order) => {
                let answer = on_a_copy(status, |next| reconciler.make_room(order.addresses, next));
                orders.answer(order, answer);
            }
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// Up to a tenth more, so that nodes that started together do not call the store together.
fn jittered(interval: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
    interval + interval * u32::from(byte[0]) / 2_560
}

fn end(ending: Vec<Running>) {
    let deadline = Instant::now() + STOP_TIMEOUT;
    let ending: Vec<_> = ending.into_iter().map(|running| (running.network.name, running.thread)).collect();
    for (name, thread) in ending {
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        if thread.is_finished() && thread.join().is_ok() {
            info!(network = name, "stopped; its routes stay");
        } else {
            warn!(network = name, "stopped in the middle of a reconcile");
        }
    }
}
