//! Room for ADDs that found none: the server passes an order to the network's thread and waits for its answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gingham_cluster::RoomAnswer;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::lock;
use super::status::{State, Status};

/// The plugin waits for 5 s in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The same where the thread may be waiting for a store that is silent.
const SILENT_STORE_TIMEOUT: Duration = Duration::from_secs(3);

/// So many addresses are to be free on each grid.
pub(super) struct Order {
    pub(super) addresses: u64,
    answer: oneshot::Sender<RoomAnswer>,
}

/// What waits for one network's thread.
pub(super) struct Orders {
    receiver: Receiver<Order>,
    waiting: VecDeque<Order>,
}

impl Orders {
    /// The next one before a moment. Orders that wait do not move that moment: reconciles and heartbeats have their time.
    pub(super) fn next(&mut self, until: Instant) -> Result<Order, RecvTimeoutError> {
        loop {
            self.take_in()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            if let Some(order) = self.waiting.pop_front() {
                return Ok(order);
            }
            self.waiting.push_back(self.receiver.recv_timeout(left)?);
        }
    }

    /// A refusal is also the answer to orders that came before the store was asked: another call of it would find the same.
    pub(super) fn answer(&mut self, order: Order, answer: RoomAnswer) {
        if !matches!(answer, RoomAnswer::Claimed(_)) {
            let is_refused = |waiting: &Order| waiting.addresses >= order.addresses;
            let (refused, waiting): (VecDeque<_>, _) = self.waiting.drain(..).partition(is_refused);
            self.waiting = waiting;
            refused.into_iter().for_each(|refused| drop(refused.answer.send(answer.clone())));
        }
        // The ADD may have given up meanwhile; what was claimed is there for the next one.
        drop(order.answer.send(answer));
    }

    fn take_in(&mut self) -> Result<(), RecvTimeoutError> {
        loop {
            match self.receiver.try_recv() {
                Ok(order) => self.waiting.push_back(order),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            }
        }
        // The ADD may have given up.
        self.waiting.retain(|order| !order.answer.is_closed());
        Ok(())
    }
}

/// The threads of the networks, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms(Arc<Mutex<BTreeMap<String, Room>>>);

#[derive(Debug, Clone)]
struct Room {
    thread: Sender<Order>,
    status: Arc<Mutex<Status>>,
}

impl Room {
    /// Why the store does not answer, if it did earlier in this agent's life.
    fn lost_store(&self) -> Option<String> {
        let status = lock(&self.status);
        match &status.state {
            State::StoreUnreachable(reason) if status.store_answered.is_some() => Some(reason.clone()),
            _ => None,
        }
    }
}

impl Rooms {
    pub(super) fn add(&self, network: &str, status: &Arc<Mutex<Status>>) -> Orders {
        let (thread, receiver) = mpsc::channel();
        lock(&self.0).insert(network.to_owned(), Room { thread, status: Arc::clone(status) });
        Orders { receiver, waiting: VecDeque::new() }
    }

    pub(super) fn remove(&self, network: &str) {
        lock(&self.0).remove(network);
    }

    /// Has a network's thread claim what is missing.
    pub(crate) async fn make(&self, network: &str, addresses: u64) -> RoomAnswer {
        let (answer, answered) = oneshot::channel();
        let Some(room) = lock(&self.0).get(network).cloned() else { return RoomAnswer::UnknownNetwork };
        if room.thread.send(Order { addresses, answer }).is_err() {
            return RoomAnswer::UnknownNetwork;
        }
        let limit = if room.lost_store().is_some() { SILENT_STORE_TIMEOUT } else { TIMEOUT };
        match (timeout(limit, answered).await, room.lost_store()) {
            (Ok(Ok(answer)), _) => answer,
            (Ok(Err(_)), _) => RoomAnswer::Failed(format!("it stops reconciling network {network}")),
            (Err(_), Some(reason)) => RoomAnswer::Unreachable(reason),
            (Err(_), None) => {
                RoomAnswer::Failed(format!("it is busy with network {network}, perhaps with a store that is silent"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For a make that does not come to its end.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn an_add_is_answered_while_the_thread_waits_for_a_silent_store() {
        let rooms = Rooms::default();
        let status = Arc::new(Mutex::new(Status::new(Duration::from_secs(5))));
        // As long as these are there and nothing takes them, the thread is busy.
        let _orders = rooms.add("pods", &status);
        lock(&status).state = State::StoreUnreachable("no answer".to_owned());
        let never_reached = timeout(PATIENCE, rooms.make("pods", 1)).await.unwrap();
        assert!(
            matches!(&never_reached, RoomAnswer::Failed(reason) if reason.contains("busy with network pods")),
            "{never_reached:?}"
        );
        lock(&status).store_answered = Some(Instant::now());
        let lost = timeout(PATIENCE, rooms.make("pods", 1)).await.unwrap();
        assert_eq!(lost, RoomAnswer::Unreachable("no answer".to_owned()));
    }
}
