//! One container's interface that wants addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::bindings::policy::gingham::ipam::request as wit;
use crate::{Context, Dns, Fact, Random, convert};

/// Who wants addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requester {
    /// A container of a Kubernetes pod.
    Pod,
    /// A container of which the runtime named no pod.
    Container,
    /// The node itself, for its bridge: the gateway of a cluster's pods.
    Node,
    /// A person or script, by `ginghamctl allocate`.
    Script,
    /// A claim of a network device.
    DeviceClaim,
    /// Something a later host knows.
    Other(String),
}

/// The Kubernetes object that made a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// Its kind: `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its unique identity.
    pub uid: String,
}

/// A pod's owner, as far as the host knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerFact {
    /// The host knows this owner.
    Known(Owner),
    /// The host knows that there is none.
    Absent,
    /// The host does not know.
    Unknown,
}

/// What the runtime requests. Reading it has no effect and gives the same values every time.
pub struct Request<'a> {
    inner: &'a wit::Request,
    context: &'a Context<'a>,
}

type Labels = Option<BTreeMap<String, String>>;

fn labels(pairs: Option<Vec<(String, String)>>) -> Labels {
    pairs.map(|pairs| pairs.into_iter().collect())
}

impl<'a> Request<'a> {
    pub(crate) fn new(inner: &'a wit::Request, context: &'a Context<'a>) -> Self {
        Self { inner, context }
    }

    /// The network and the node.
    pub fn context(&self) -> &'a Context<'a> {
        self.context
    }

    /// Who wants addresses.
    pub fn requester(&self) -> Requester {
        match self.inner.requester() {
            wit::Requester::Pod => Requester::Pod,
            wit::Requester::Container => Requester::Container,
            wit::Requester::Node => Requester::Node,
            wit::Requester::Script => Requester::Script,
            wit::Requester::DeviceClaim => Requester::DeviceClaim,
            wit::Requester::Other(other) => Requester::Other(other),
        }
    }

    /// The runtime's identity of the container. It has a slash for requesters that are not containers.
    pub fn container_id(&self) -> String {
        self.inner.container_id()
    }

    /// The interface inside the container.
    pub fn interface_name(&self) -> String {
        self.inner.interface_name()
    }

    /// The pod's namespace.
    pub fn pod_namespace(&self) -> Fact {
        Fact::of(self.inner.pod_namespace())
    }

    /// The pod's name.
    pub fn pod_name(&self) -> Fact {
        Fact::of(self.inner.pod_name())
    }

    /// The pod's unique identity.
    pub fn pod_uid(&self) -> Fact {
        Fact::of(self.inner.pod_uid())
    }

    /// The pod's service account.
    pub fn service_account(&self) -> Fact {
        Fact::of(self.inner.service_account())
    }

    /// The object that made the pod.
    pub fn owner(&self) -> OwnerFact {
        match self.inner.owner() {
            wit::OwnerFact::Known(owner) => {
                OwnerFact::Known(Owner { kind: owner.kind(), name: owner.name(), uid: owner.uid() })
            }
            wit::OwnerFact::Absent => OwnerFact::Absent,
            wit::OwnerFact::Unknown => OwnerFact::Unknown,
        }
    }

    /// A label of the pod.
    pub fn pod_label(&self, key: &str) -> Fact {
        Fact::of(self.inner.pod_label(key))
    }

    /// All labels of the pod. None where they are unknown.
    pub fn pod_labels(&self) -> Labels {
        labels(self.inner.pod_labels())
    }

    /// An annotation of the pod.
    pub fn pod_annotation(&self, key: &str) -> Fact {
        Fact::of(self.inner.pod_annotation(key))
    }

    /// All annotations of the pod. None where they are unknown.
    pub fn pod_annotations(&self) -> Labels {
        labels(self.inner.pod_annotations())
    }

    /// A label of the pod's namespace.
    pub fn namespace_label(&self, key: &str) -> Fact {
        Fact::of(self.inner.namespace_label(key))
    }

    /// All labels of the pod's namespace. None where they are unknown.
    pub fn namespace_labels(&self) -> Labels {
        labels(self.inner.namespace_labels())
    }

    /// An annotation of the pod's namespace.
    pub fn namespace_annotation(&self, key: &str) -> Fact {
        Fact::of(self.inner.namespace_annotation(key))
    }

    /// All annotations of the pod's namespace. None where they are unknown.
    pub fn namespace_annotations(&self) -> Labels {
        labels(self.inner.namespace_annotations())
    }

    /// One of the runtime's arguments (`CNI_ARGS`).
    pub fn cni_arg(&self, key: &str) -> Option<String> {
        self.inner.cni_arg(key)
    }

    /// All of the runtime's arguments, in the order given.
    pub fn cni_args(&self) -> Vec<(String, String)> {
        self.inner.cni_args()
    }

    /// A label of the configuration's `args.cni.labels`.
    pub fn args_label(&self, key: &str) -> Option<String> {
        self.inner.args_label(key)
    }

    /// All labels of the configuration's `args.cni.labels`.
    pub fn args_labels(&self) -> BTreeMap<String, String> {
        self.inner.args_labels().into_iter().collect()
    }

    /// Addresses the runtime requests. Grant them all or refuse: an answer without one of them is refused for
    /// you.
    pub fn requested_addresses(&self) -> Vec<IpAddr> {
        self.inner.requested_addresses().into_iter().map(convert::address_in).collect()
    }

    /// The interface's hardware address, if it is decided.
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.inner.mac().map(Into::into)
    }

    /// Name resolution from the file that `resolvConf` names.
    pub fn resolv_conf(&self) -> Option<Dns> {
        self.inner.resolv_conf().map(convert::dns_in)
    }

    /// The time of the request. It may jump in both directions between requests.
    pub fn now(&self) -> SystemTime {
        convert::time_in(self.inner.now())
    }

    /// The request's random number.
    pub fn seed(&self) -> u64 {
        self.inner.seed()
    }

    /// Random numbers that follow from the request's seed.
    pub fn random(&self) -> Random {
        Random::from_seed(self.seed())
    }
}
