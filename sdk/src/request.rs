//! One container's interface that wants addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::bindings::plain::gingham::ipam::attachment as wit;
use crate::{Dns, Random, convert};

/// What the runtime asks for. Reading it has no effect and gives the same values every time.
pub struct Request<'a> {
    inner: &'a wit::Request,
}

impl<'a> Request<'a> {
    pub(crate) fn new(inner: &'a wit::Request) -> Self {
        Self { inner }
    }

    /// The network's name.
    pub fn network(&self) -> String {
        self.inner.network()
    }

    /// The runtime's identity of the container.
    pub fn container_id(&self) -> String {
        self.inner.container_id()
    }

    /// The interface inside the container.
    pub fn interface_name(&self) -> String {
        self.inner.interface_name()
    }

    /// The pod's namespace, where the runtime told one.
    pub fn pod_namespace(&self) -> Option<String> {
        self.inner.pod_namespace()
    }

    /// The pod's name.
    pub fn pod_name(&self) -> Option<String> {
        self.inner.pod_name()
    }

    /// The pod's unique identity.
    pub fn pod_uid(&self) -> Option<String> {
        self.inner.pod_uid()
    }

    /// The node's name.
    pub fn node_name(&self) -> String {
        self.inner.node_name()
    }

    /// One of the runtime's arguments (`CNI_ARGS`).
    pub fn argument(&self, key: &str) -> Option<String> {
        self.inner.argument(key)
    }

    /// A label or annotation that came with the request.
    pub fn annotation(&self, key: &str) -> Option<String> {
        self.inner.annotation(key)
    }

    /// All labels and annotations.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.inner.annotations().into_iter().collect()
    }

    /// Addresses the runtime asks for by name. Grant them all or refuse: an answer without one of them is refused for
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

    /// Milliseconds since 1970-01-01 UTC. It may jump in both directions between requests.
    pub fn now(&self) -> u64 {
        self.inner.now()
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
