//! How two runs of one request differ, in words for the policy's author: no type of Rust is shown.

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::Answer;
use gingham_engine::cluster_policy::Proposal;
use gingham_engine::ipam::IpamError;
use gingham_engine::pool::{Pool, PoolRange};
use gingham_engine::runtime::{LogLine, Usage};

use crate::report::level;
use crate::requests::Released;

/// A policy that is not deterministic: it cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} differs: first {first}, then {second}")]
pub struct Difference {
    /// With its article: `the answer`, `the log`.
    pub what: String,
    pub first: String,
    pub second: String,
}

impl Difference {
    /// None if both are equal.
    pub(crate) fn of<P: Describe + PartialEq + ?Sized>(what: &str, first: &P, second: &P) -> Option<Self> {
        (first != second).then(|| Self { what: what.to_owned(), first: first.describe(), second: second.describe() })
    }

    /// Of two errors. Where their sentences are the same, all that they hold is shown.
    pub(crate) fn of_errors(first: &IpamError, second: &IpamError) -> Option<Self> {
        let [one, two] = [first, second].map(|error| format!("{error:?}"));
        let sentences = Self::of("the error", first.to_string().as_str(), second.to_string().as_str());
        sentences.or_else(|| Self::of("the error", one.as_str(), two.as_str()))
    }
}

/// A value as text. Two values that differ have different texts.
pub(crate) trait Describe {
    fn describe(&self) -> String;
}

impl Describe for str {
    fn describe(&self) -> String {
        self.to_owned()
    }
}

/// As a case and a history have it.
impl Describe for Answer {
    fn describe(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }
}

impl Describe for Usage {
    fn describe(&self) -> String {
        let Self { fuel, host_calls, memory } = self;
        format!("{fuel} fuel, {host_calls} host calls, {memory} bytes of memory")
    }
}

impl Describe for LogLine {
    fn describe(&self) -> String {
        format!("{} {:?}", level(self), self.message)
    }
}

impl Describe for IpRange {
    fn describe(&self) -> String {
        self.to_string()
    }
}

impl Describe for IpAddr {
    fn describe(&self) -> String {
        self.to_string()
    }
}

impl Describe for Pool {
    fn describe(&self) -> String {
        format!("{:?} of {}", self.name, self.ranges.describe())
    }
}

impl Describe for PoolRange {
    fn describe(&self) -> String {
        let gateway = self.gateway.map(|gateway| format!(", gateway {gateway}"));
        let network = self.edges.network.then(|| ", with the network address".to_owned());
        let broadcast = self.edges.broadcast.then(|| ", with the broadcast address".to_owned());
        let draining = self.draining.then(|| ", draining".to_owned());
        let more: String = [gateway, network, broadcast, draining].into_iter().flatten().collect();
        format!("{} in {}{more}", self.range, self.prefix)
    }
}

impl Describe for Proposal {
    fn describe(&self) -> String {
        format!("{} for {}", self.block, self.usage.describe())
    }
}

impl Describe for Released {
    fn describe(&self) -> String {
        let failure = self.hook_failure.as_ref().map(|failure| format!(", and its release failed: {failure}"));
        format!("{} freed{}", self.addresses.describe(), failure.unwrap_or_default())
    }
}

impl<T: Describe> Describe for Vec<T> {
    fn describe(&self) -> String {
        if self.is_empty() {
            return "nothing".to_owned();
        }
        self.iter().map(Describe::describe).collect::<Vec<_>>().join("; ")
    }
}
