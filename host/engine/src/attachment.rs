//! What a runtime asks for and what a policy answers: plain values, free of CNI's JSON and of Wasm.

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

/// The network and the node: what is the same for every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The network's name.
    pub network: String,
    /// The node's one name: `cluster.node` of the configuration, otherwise the host name.
    pub node: String,
    /// The node's labels; none where they are unknown.
    pub node_labels: Option<Labels>,
}

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// Something that somebody has to tell the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// The host was told.
    Known(T),
    /// The host was told that there is none.
    Absent,
    /// Nobody told the host.
    #[default]
    Unknown,
}

/// Who wants addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// A container's, by what the runtime told of its pod.
    pub fn of_container(pod: &Pod) -> Self {
        if pod.name.is_some() { Self::Pod } else { Self::Container }
    }

    /// Whether it is certain that there is no pod where none was named.
    pub fn has_no_pod(self) -> bool {
        matches!(self, Self::Node | Self::Script)
    }
}

/// The Kubernetes object that made a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its unique identity.
    pub uid: String,
}

/// What Kubernetes knows of a pod beyond what runtimes tell. Labels and annotations are none where they are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// The service account.
    pub service_account: Fact<String>,
    /// The object that made it.
    pub owner: Fact<Owner>,
    /// The pod's labels.
    pub labels: Option<Labels>,
    /// The pod's annotations.
    pub annotations: Option<Labels>,
    /// The labels of its namespace.
    pub namespace_labels: Option<Labels>,
    /// The annotations of its namespace.
    pub namespace_annotations: Option<Labels>,
}

/// One container's interface that wants addresses.
#[derive(Debug, Clone)]
pub struct Request {
    /// What kind of requester it is.
    pub requester: Requester,
    /// Who asks.
    pub key: AttachmentKey,
    /// The network namespace's path, kept with the lease; empty if unknown.
    pub netns: String,
    /// The pod, if any.
    pub pod: Pod,
    /// What else is known of the pod.
    pub facts: PodFacts,
    /// `CNI_ARGS` in the order given.
    pub cni_args: Vec<(String, String)>,
    /// `args.cni.labels`.
    pub args_labels: Labels,
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

/// Who held an address until it was freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerHolder {
    /// The container and its interface.
    #[serde(flatten)]
    pub key: AttachmentKey,
    /// Its pod.
    #[serde(default)]
    pub pod: Pod,
}

impl FormerHolder {
    /// Whether it is the one that asks now: the same pod or, where there is no pod, the same container.
    pub fn is(&self, key: &AttachmentKey, pod: &Pod) -> bool {
        match (&self.pod.name, &pod.name) {
            (Some(_), Some(_)) => (&self.pod.namespace, &self.pod.name) == (&pod.namespace, &pod.name),
            (None, None) => self.key.container_id == key.container_id,
            _ => false,
        }
    }
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

impl Route {
    /// A route without any of the options.
    pub fn to(destination: IpNet) -> Self {
        Self { destination, gateway: None, mtu: None, advmss: None, priority: None, table: None, scope: None }
    }
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
    /// One sentence for people: why it is this answer.
    pub reason: Option<String>,
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
    TryAgain {
        /// The sentence.
        message: String,
        /// When, if the policy knows.
        after: Option<Duration>,
    },
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
