//! What a runtime requests and what a policy answers: plain values, free of CNI's JSON and of Wasm.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

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

/// A pod, as far as the runtime names it.
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

/// The network and the node: what is the same for every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    pub network: String,
    /// The node's one name: `cluster.node` of the configuration, otherwise the host name.
    pub node: String,
    /// The node's labels; none where they are unknown.
    pub node_labels: Option<Labels>,
}

pub type Labels = BTreeMap<String, String>;

/// A fact that the host learns from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact<T> {
    Known(T),
    /// The host knows that there is none.
    Absent,
    #[default]
    Unknown,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Requester {
    /// A container of a Kubernetes pod.
    Pod,
    /// A container of which the runtime named no pod.
    #[default]
    Container,
    /// The node itself, for its bridge.
    Node,
    /// A person or script.
    Script,
}

impl Requester {
    /// A container's, by what the runtime named of its pod.
    pub fn of_container(pod: &Pod) -> Self {
        if pod.name.is_some() { Self::Pod } else { Self::Container }
    }

    /// Whether it is certain that there is no pod where none was named.
    pub fn has_no_pod(self) -> bool {
        matches!(self, Self::Node | Self::Script)
    }
}

/// The Kubernetes object that made a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// What Kubernetes knows of a pod beyond what runtimes pass on. Labels and annotations are none where they are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFacts {
    pub service_account: Fact<String>,
    pub owner: Fact<Owner>,
    pub labels: Option<Labels>,
    pub annotations: Option<Labels>,
    pub namespace_labels: Option<Labels>,
    pub namespace_annotations: Option<Labels>,
}

/// Facts of a pod that the host may be about to learn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AwaitedFacts {
    /// Service account, owner and labels.
    pub pod: bool,
    pub annotations: bool,
    /// Labels and annotations of the namespace.
    pub namespace: bool,
}

impl AwaitedFacts {
    pub const POD: Self = Self { pod: true, annotations: false, namespace: false };
    pub const ANNOTATIONS: Self = Self { pod: false, annotations: true, namespace: false };
    pub const NAMESPACE: Self = Self { pod: false, annotations: false, namespace: true };

    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let Self { pod, annotations, namespace } = other;
        Self {
            pod: self.pod && pod,
            annotations: self.annotations && annotations,
            namespace: self.namespace && namespace,
        }
    }

    /// Those that are not in the other one.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        let Self { pod, annotations, namespace } = other;
        self.and(Self { pod: !pod, annotations: !annotations, namespace: !namespace })
    }
}

#[derive(Debug, Clone)]
pub struct Request {
    pub requester: Requester,
    pub key: AttachmentKey,
    /// The network namespace's path, kept with the lease; empty if unknown.
    pub netns: String,
    pub pod: Pod,
    /// What else is known of the pod.
    pub facts: PodFacts,
    /// A policy that reads one of them is stopped: the host waits for it without the store's lock, and asks again.
    pub awaited: AwaitedFacts,
    /// `CNI_ARGS` in the order given.
    pub cni_args: Vec<(String, String)>,
    /// `args.cni.labels`.
    pub args_labels: Labels,
    /// Addresses asked for by name, in order, without repetition.
    pub requested: Vec<IpAddr>,
    pub mac: Option<[u8; 6]>,
    /// Read from the file that `resolvConf` names.
    pub resolv_conf: Option<Dns>,
    /// Milliseconds since the epoch.
    pub now: u64,
    pub seed: u64,
    /// Addresses that the node has itself, on whichever interface: given to no container.
    pub node_addresses: Vec<IpAddr>,
}

impl Request {
    /// A request of which nothing else is known.
    pub fn new(requester: Requester, key: AttachmentKey, now: u64, seed: u64) -> Self {
        Self {
            requester,
            key,
            netns: String::new(),
            pod: Pod::default(),
            facts: PodFacts::default(),
            awaited: AwaitedFacts::default(),
            cni_args: Vec::new(),
            args_labels: Labels::new(),
            requested: Vec::new(),
            mac: None,
            resolv_conf: None,
            now,
            seed,
            node_addresses: Vec::new(),
        }
    }
}

/// Who held an address until it was freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerHolder {
    #[serde(flatten)]
    pub key: AttachmentKey,
    #[serde(default)]
    pub pod: Pod,
}

impl FormerHolder {
    /// Whether it is the requester: the same pod or, where there is no pod, the same container.
    pub fn is(&self, key: &AttachmentKey, pod: &Pod) -> bool {
        match (&self.pod.name, &pod.name) {
            (Some(_), Some(_)) => (&self.pod.namespace, &self.pod.name) == (&pod.namespace, &pod.name),
            (None, None) => self.key.container_id == key.container_id,
            _ => false,
        }
    }
}

/// A route for the container, as in the CNI specification 1.1.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Network prefix, host bits zero.
    pub destination: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// The kernel's scope number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<u32>,
}

impl Route {
    /// A route without any of the options.
    pub fn to(destination: IpNet) -> Self {
        Self { destination, gateway: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dns {
    pub nameservers: Vec<String>,
    pub domain: Option<String>,
    pub search: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// The address with the prefix length the container sees (host bits kept).
    pub address: IpNet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// In the order of the result.
    pub addresses: Vec<Assigned>,
    /// In order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Name resolution, if the policy set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,
    /// One sentence for people: why it is this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub key: String,
    pub message: String,
}

/// Why a policy does not grant a request. The texts are the policy's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Exhausted(String),
    Unavailable(String),
    TryAgain { message: String, after: Option<Duration> },
    Denied(String),
    InvalidConfig(Problem),
    Other(String),
}

/// An attachment that has ended, for a policy that wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub key: AttachmentKey,
    pub addresses: Vec<IpAddr>,
    pub pod: Pod,
    /// Milliseconds since the epoch.
    pub now: u64,
}

/// Leases that were adopted, for a policy that wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    /// The addresses that are new here, in order.
    pub addresses: Vec<IpAddr>,
    /// The address that the reference gave last of each of its range sets, by the range set's number.
    pub last_reserved: Vec<(u32, IpAddr)>,
    /// Milliseconds since the epoch.
    pub now: u64,
}
