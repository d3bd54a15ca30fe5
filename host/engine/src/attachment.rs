//! What a runtime asks for and what a policy answers: plain values, free of CNI's JSON and of Wasm.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The identity of an attachment within its network: the runtime's container and the interface in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AttachmentKey {
    /// The runtime's identity of the container. Never empty; holds no NUL byte.
    pub container_id: String,
    /// The interface inside the container, 1 to 15 bytes. Empty where it was adopted from a reference so old that it
    /// wrote down no interface: then it stands for whichever the container has.
    pub interface: String,
}

/// How container ids of leases begin that a node holds for itself. No runtime's container id can hold a `/`.
const NODES_OWN: &str = "node/";

impl AttachmentKey {
    /// Whether a container has it. An identity with a slash cannot be a container's: the lease is held by the node
    /// itself (`node/NAME`) or by a person (`owner/NAME`), and no runtime knows of it.
    pub fn is_of_container(&self) -> bool {
        !self.container_id.contains('/')
    }

    /// The key of the address that a node's own interface holds: a bridge as gateway. Such a lease outlives a reboot.
    pub fn of_node(node: &str, interface: &str) -> Self {
        Self { container_id: format!("{NODES_OWN}{node}"), interface: interface.to_owned() }
    }

    /// Whether a node holds it for itself.
    pub fn is_nodes_own(&self) -> bool {
        self.container_id.starts_with(NODES_OWN)
    }
}

/// A pod, as far as the runtime tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// `K8S_POD_NAMESPACE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `K8S_POD_NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `K8S_POD_UID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// One container's interface that wants addresses.
#[derive(Debug, Clone)]
pub struct Request {
    /// The network's name.
    pub network: String,
    /// Who asks.
    pub key: AttachmentKey,
    /// The network namespace's path, kept with the lease; empty if unknown.
    pub netns: String,
    /// The pod, if any.
    pub pod: Pod,
    /// The node's name.
    pub node: String,
    /// `CNI_ARGS` in the order given.
    pub arguments: Vec<(String, String)>,
    /// Labels and annotations the runtime handed over.
    pub annotations: BTreeMap<String, String>,
    /// Addresses asked for by name, in order, without repetition.
    pub requested: Vec<IpAddr>,
    /// The interface's hardware address, if decided.
    pub mac: Option<[u8; 6]>,
    /// What the file named by `resolvConf` says.
    pub resolv_conf: Option<Dns>,
    /// Milliseconds since the epoch.
    pub now: u64,
    /// A random number for this request.
    pub seed: u64,
    /// Addresses that the node has itself, on whichever interface: given to no container.
    pub node_addresses: Vec<IpAddr>,
}

/// A route for the container, as in the CNI specification 1.1.0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Network prefix, host bits zero.
    pub destination: IpNet,
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Bytes.
    pub advmss: Option<u32>,
    /// Metric.
    pub priority: Option<u32>,
    /// Table number.
    pub table: Option<u32>,
    /// The kernel's scope number.
    pub scope: Option<u32>,
}

/// Name resolution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers, the preferred one first.
    pub nameservers: Vec<String>,
    /// Local domain.
    pub domain: Option<String>,
    /// Search list.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

/// One address of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// The address with the prefix length the container sees (host bits kept).
    pub address: IpNet,
    /// The network's gateway.
    pub gateway: Option<IpAddr>,
}

/// What a policy answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// In the order of the result.
    pub addresses: Vec<Assigned>,
    /// In order.
    pub routes: Vec<Route>,
    /// Name resolution, if the policy set one.
    pub dns: Option<Dns>,
}

/// A fault in a policy's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path of the key.
    pub key: String,
    /// One sentence.
    pub message: String,
}

/// Why a policy does not grant a request. The texts are the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No address is left.
    Exhausted(String),
    /// A requested address cannot be had.
    Unavailable(String),
    /// Perhaps later.
    TryAgain(String),
    /// Never.
    Denied(String),
    /// The configuration is at fault.
    InvalidConfig(Problem),
    /// Anything else.
    Other(String),
}

/// An attachment that has ended, for a policy that wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub key: AttachmentKey,
    /// What it held.
    pub addresses: Vec<IpAddr>,
    /// Its pod.
    pub pod: Pod,
    /// Milliseconds since the epoch.
    pub now: u64,
}
