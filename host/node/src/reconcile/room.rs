//! Room for ADDs that found none: the server passes an order to the network's thread and waits for its answer.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gingham_cluster::RoomAnswer;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::lock;

/// The plugin waits for 5 s in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// So many addresses are to be free on each grid.
pub(super) struct Order {
    pub(super) addresses: u64,
    pub(super) answer: oneshot::Sender<RoomAnswer>,
}

/// The threads of the networks, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms(Arc<Mutex<BTreeMap<String, Sender<Order>>>>);

impl Rooms {
    pub(super) fn add(&self, network: &str) -> Receiver<Order> {
        let (sender, orders) = mpsc::channel();
        lock(&self.0).insert(network.to_owned(), sender);
        orders
    }

    pub(super) fn remove(&self, network: &str) {
        lock(&self.0).remove(network);
    }

    /// Has a network's thread claim what is missing.
    pub(crate) async fn make(&self, network: &str, addresses: u64) -> RoomAnswer {
        let (answer, answered) = oneshot::channel();
        let sent = match lock(&self.0).get(network) {
            Some(thread) => thread.send(Order { addresses, answer }),
            None => return RoomAnswer::UnknownNetwork,
        };
        if sent.is_err() {
            return RoomAnswer::UnknownNetwork;
        }
        match timeout(TIMEOUT, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => RoomAnswer::Failed(format!("it stops reconciling network {network}")),
            Err(_) => {
                RoomAnswer::Failed(format!("it is busy with network {network}, perhaps with a store that is silent"))
            }
        }
    }
}
