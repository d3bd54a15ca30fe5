//! The history of a network (`ipam.record`): every request with all that a policy could see of it, what came of it, and every
//! end of an attachment. A policy that draws from nothing else can be replayed from it.
//!
//! A history is text: one JSON object a line ([`Line`]), each complete in itself.
//!
//! ```text
//! {"at":1763,"order":7,"event":{"start":{"format":1,"network":"mynet","policy":{"name":"host-local",…},"ipam":{…}}},"config":"91c0…"}
//! {"at":1763,"order":7,"event":{"snapshot":{"leases":[],"cooling":[],"reservations":[],"state":[],"complete":true}},"config":"91c0…"}
//! {"at":1764,"order":8,"event":{"request":{"request":{"seed":42,…},"outcome":{"granted":{…}}}},"config":"91c0…"}
//! {"at":1790,"order":9,"event":{"end":{"containerId":"c1","addresses":["10.1.0.2"],"wasUsed":true,…}},"config":"91c0…"}
//! ```
//!
//! Lines are written after the commit and without the store's lock, so two of them may be in the wrong order: `order` is the
//! number of the store's transaction, and the reader sorts. A kill may leave half a line at the end, which is no fault.
//! A request that was refused changed nothing: it has the number of the transaction that would have been the next one, and
//! comes before that.

mod event;
mod pseudonyms;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

pub use event::{
    CoolingAddress, Ended, HeldAddresses, Outcome, RecordedPolicy, RecordedRequest, RecordedUsage, Refused,
    RefusedKind, Requested, ReservedAddress, Snapshot, Start, StateEntry,
};
pub use pseudonyms::Pseudonyms;
pub use reader::{History, HistoryError};
pub use writer::{Entries, HistoryFile, WriteError};

/// The version of the format. A reader refuses a higher one.
pub const FORMAT: u32 = 1;

/// One event of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds since the epoch.
    pub at: u64,
    /// The number of the store's transaction. It starts again with a boot.
    pub order: u64,
    pub event: Event,
    /// Which [`Start`] it belongs to. The last field, so that a writer finds it without reading the line.
    pub config: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// Written first, and again when anything in it changes.
    Start(Start),
    /// All that the network held when the lines before it, in the order of transactions, had happened.
    Snapshot(Snapshot),
    Request(Box<Requested>),
    End(Ended),
    /// Reservations that an operator ended.
    EndReservations(Vec<std::net::IpAddr>),
}

impl Event {
    /// Whether the transaction of its number was committed.
    pub fn is_committed(&self) -> bool {
        !matches!(self, Self::Request(requested) if !matches!(requested.outcome, Outcome::Granted(_)))
    }
}
