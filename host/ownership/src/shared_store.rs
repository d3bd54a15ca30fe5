//! What a cluster's store must be able to do: five calls on single records, each atomic, each seen by everyone in one
//! order. Any consistent store has them: etcd (compare on `mod_revision`), the Kubernetes API (`resourceVersion`).
//!
//! A call is a value and so is its reply, so that tasks never wait: what carries a call to the store may
//! lose, delay, repeat or reorder it.

use std::time::Instant;

/// When a record was last written, in the store's own order: of two writes the later one has the larger version, also
/// across records, and also when a record was deleted in between. Never 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

/// A record as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// What was written: JSON, see [`super::record`].
    pub value: Vec<u8>,
    pub version: Version,
}

/// Keys are relative to the network: `members/node-1`, `blocks/10.32.0.0-24`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Call {
    /// Reads one record, never an old one.
    Get { key: String },
    /// Reads all records whose keys start so, as they were at one moment, never an old one. Empty means all.
    List {
        /// The start of the keys.
        prefix: String,
    },
    /// Writes a record if there is none.
    Create { key: String, value: Vec<u8> },
    /// Writes a record if it is still the one that was seen.
    Update {
        key: String,
        value: Vec<u8>,
        /// The version seen.
        expected: Version,
    },
    /// Deletes a record if it is still the one that was seen.
    Delete {
        key: String,
        /// The version seen.
        expected: Version,
    },
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To `Get`: the record, if there is one.
    Got(Option<Record>),
    /// To `List`: the records in the order of their keys, and the version at which all of them were so. A record that is
    /// missing here had no version up to `at`.
    Listed {
        /// Keys (relative, whole) and records.
        records: Vec<(String, Record)>,
        /// The store's latest version at that moment.
        at: Version,
    },
    /// To `Create` and `Update`: done.
    Written(Version),
    /// To `Delete`: done.
    Deleted,
    /// To `Create`: there is a record. To `Update` and `Delete`: it is another, or gone.
    Conflict(Option<Record>),
    /// It is not known whether the call was carried out: a later write decides it, no read does.
    Unknown(StoreFault),
    /// It was not carried out and will not be.
    Refused(StoreFault),
}

/// Why a store did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreFault {
    /// No answer, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// It answers that this is not permitted: credentials, certificates, roles.
    #[error("{0}")]
    Denied(String),
    /// What answers is no such store, or one that lost its data.
    #[error("{0}")]
    Unusable(String),
}

/// A store that can be reached from here. It waits for the reply, but not beyond the deadline.
pub trait SharedStore {
    fn call(&mut self, call: &Call, deadline: Instant) -> Reply;
}
