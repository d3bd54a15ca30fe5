//! A file of cases, as it is written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::Spanned;

use super::step::Step;
use super::values::{List, Pause, PodName};
use super::written::written;

written! {
    /// Cases, and what they have in common.
    #[serde(expecting = "a file of cases")]
    pub struct CaseFile {
        /// The object under `ipam` of every case.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<Map<String, Value>>,
        /// The network's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub network: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub node: Option<Node>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<Cluster>,
        #[serde(default, rename = "case")]
        pub cases: Vec<Spanned<Case>>,
    }
}

written! {
    /// A situation, and what happens then.
    #[serde(expecting = "a case: begin each with [[case]]")]
    pub struct Case {
        pub name: String,
        /// Keys that replace those of the file's `config`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<Map<String, Value>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub network: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub node: Option<Node>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<Cluster>,
        /// Milliseconds since 1970-01-01 UTC.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub now: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub seed: Option<u64>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub leases: Vec<Lease>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub reservations: Vec<Reservation>,
        /// The policy's state: keys, and values as text.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub state: BTreeMap<String, String>,
        #[serde(default, rename = "step")]
        pub steps: Vec<Spanned<Step>>,
    }
}

written! {
    /// The node.
    #[serde(expecting = "a table such as { name = \"node-1\" }")]
    pub struct Node {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Unknown if left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub labels: Option<BTreeMap<String, String>>,
    }
}

written! {
    /// What the node knows of its cluster.
    #[serde(expecting = "a table such as { members = [\"a\", \"b\"] }")]
    pub struct Cluster {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub members: Vec<String>,
        /// Blocks and who holds them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        pub claims: BTreeMap<IpNet, String>,
        /// Whether the node claims a block when it has no free address.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub claiming: Option<bool>,
    }
}

/// A lease that is there before the first step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a table such as { address = \"10.1.0.2\", container = \"web-0\" }")]
pub struct Lease {
    /// The addresses of one attachment.
    #[serde(alias = "addresses")]
    pub address: List<IpAddr>,
    pub container: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long ago it was leased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Pause>,
}

/// A reservation that is there before the first step.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[serde(expecting = "a table such as { key = \"web\", address = \"10.1.0.2\", for = \"1h\" }")]
pub struct Reservation {
    pub key: String,
    pub address: IpAddr,
    /// How long it holds from the beginning of the case.
    #[serde(rename = "for")]
    pub holds: Pause,
}
