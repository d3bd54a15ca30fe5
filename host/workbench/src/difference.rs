//! How two runs of one request differ, in words for whoever wrote the policy: nothing here shows a type of Rust.

use std::net::IpAddr;

use gingham_engine::address::IpRange;
use gingham_engine::attachment::Answer;
use gingham_engine::cluster_policy::Proposal;
use gingham_engine::ipam::IpamError;
use gingham_engine::pool::{Pool, PoolRange};
use gingham_engine::runtime::{LogLine, Usage};

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
    pub(crate) fn of<P: Told + PartialEq + ?Sized>(what: &str, first: &P, second: &P) -> Option<Self> {
        (first != second).then(|| Self { what: what.to_owned(), first: first.told(), second: second.told() })
    }

    /// Of two errors. Where their sentences are the same, what is behind them is told.
    pub(crate) fn of_errors(first: &IpamError, second: &IpamError) -> Option<Self> {
        let [one, two] = [first, second].map(|error| format!("{error:?}"));
        let sentences = Self::of("the error", first.to_string().as_str(), second.to_string().as_str());
        sentences.or_else(|| Self::of("the error", one.as_str(), two.as_str()))
    }
}

/// What is told of a value. Two values that differ are told differently.
pub(crate) trait Told {
    fn told(&self) -> String;
}

impl Told for str {
    fn told(&self) -> String {
        self.to_owned()
    }
}

/// As a case and a history have it.
impl Told for Answer {
    fn told(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }
}

impl Told for Usage {
    fn told(&self) -> String {
        let Self { fuel, host_calls, memory } = self;
        format!("{fuel} fuel, {host_calls} host calls, {memory} bytes of memory")
    }
}

impl Told for LogLine {
    fn told(&self) -> String {
        let level = format!("{:?}", self.level).to_lowercase();
        format!("{level} {:?}", self.message)
    }
}

impl Told for IpRange {
    fn told(&self) -> String {
        self.to_string()
    }
}

impl Told for IpAddr {
    fn told(&self) -> String {
        self.to_string()
    }
}

impl Told for Pool {
    fn told(&self) -> String {
        format!("{:?} of {}", self.name, self.ranges.told())
    }
}

impl Told for PoolRange {
    fn told(&self) -> String {
        let gateway = self.gateway.map(|gateway| format!(", gateway {gateway}"));
        let network = self.edges.network.then(|| ", with the network address".to_owned());
        let broadcast = self.edges.broadcast.then(|| ", with the broadcast address".to_owned());
        let draining = self.draining.then(|| ", draining".to_owned());
        let more: String = [gateway, network, broadcast, draining].into_iter().flatten().collect();
        format!("{} in {}{more}", self.range, self.prefix)
    }
}

impl Told for Proposal {
    fn told(&self) -> String {
        format!("{} for {}", self.block, self.usage.told())
    }
}

impl Told for Released {
    fn told(&self) -> String {
        let failure = self.hook_failure.as_ref().map(|failure| format!(", and its release failed: {failure}"));
        format!("{} freed{}", self.addresses.told(), failure.unwrap_or_default())
    }
}

impl<T: Told> Told for Vec<T> {
    fn told(&self) -> String {
        if self.is_empty() {
            return "nothing".to_owned();
        }
        self.iter().map(Told::told).collect::<Vec<_>>().join("; ")
    }
}
