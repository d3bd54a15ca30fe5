//! Room for ADDs that found none: the server passes an order to the network's thread and waits for its answer.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    pub(super) answer: oneshot::Sender<RoomAnswer>,
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
    pub(super) fn add(&self, network: &str, status: &Arc<Mutex<Status>>) -> Receiver<Order> {
        let (thread, orders) = mpsc::channel();
        lock(&self.0).insert(network.to_owned(), Room { thread, status: Arc::clone(status) });
        orders
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
