//! The configuration, as it is written.

use gingham_sdk::Route;
use serde::Deserialize;

/// The keys under `ipam`. Addresses are texts here, so that each fault gets a sentence of its own; "" means none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Config {
    /// The cluster's range: "10.32.0.0/12" by default.
    pub range: Option<String>,
    /// How the range is divided.
    pub divide: Divide,
    /// The prefix length of a block; by default 24 for IPv4 and 112 for IPv6, or four bits longer than a small range's.
    pub block_size: Option<u8>,
    /// Where to allocate within the range, and the prefix containers see: the range by default.
    pub subnet: Option<String>,
    /// Which free address of the node's blocks to take.
    pub pick: Pick,
    /// What containers get as their gateway; by default the host's bridge.
    pub gateway: Option<String>,
    /// Handed to the container as they are.
    pub routes: Option<Vec<Route>>,
}

/// How the range is divided among the members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Divide {
    /// Shares differ by one block at most.
    #[default]
    Exact,
    /// Weave Net's: halves of halves, so that each share is one prefix, and the largest is at most twice the smallest.
    Cidr,
}

/// Which free address to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Pick {
    /// The lowest, as Weave Net does: the higher blocks run empty and can be given back.
    #[default]
    Lowest,
    /// The one after that handed out last: addresses cool longest, and the node keeps the blocks it has.
    RoundRobin,
    /// Any, drawn from the request's seed.
    Random,
}
