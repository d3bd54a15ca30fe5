//! The events that the optional parts of a policy receive.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::bindings::policy::gingham::ipam::events as wit;
use crate::{Fact, convert};

/// An attachment that has ended.
pub struct Ended<'a> {
    inner: &'a wit::Ended,
}

impl<'a> Ended<'a> {
    pub(crate) fn new(inner: &'a wit::Ended) -> Self {
        Self { inner }
    }

    /// The runtime's identity of the container.
    pub fn container_id(&self) -> String {
        self.inner.container_id()
    }

    /// The interface in the container.
    pub fn interface_name(&self) -> String {
        self.inner.interface_name()
    }

    /// What it held.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.inner.addresses().into_iter().map(convert::address_in).collect()
    }

    /// Its pod's namespace.
    pub fn pod_namespace(&self) -> Fact {
        Fact::of(self.inner.pod_namespace())
    }

    /// Its pod's name.
    pub fn pod_name(&self) -> Fact {
        Fact::of(self.inner.pod_name())
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        convert::time_in(self.inner.now())
    }
}

/// Leases that the host adopted from the reference IPAM plugin `host-local`, which served the network before.
pub struct Adopted<'a> {
    inner: &'a wit::Adopted,
}

impl<'a> Adopted<'a> {
    pub(crate) fn new(inner: &'a wit::Adopted) -> Self {
        Self { inner }
    }

    /// The adopted addresses above `after`, in address order: 256 at most. [`leases::holder`](crate::leases::holder)
    /// returns who holds them. There may be no new ones: then `host-local` was not used since the last time.
    pub fn addresses(&self, after: Option<IpAddr>) -> Vec<IpAddr> {
        self.inner.addresses(after.map(convert::address_out), 256).into_iter().map(convert::address_in).collect()
    }

    /// The address that `host-local` handed out last of each of its range sets, by the range set's number, from 0.
    pub fn last_reserved(&self) -> Vec<(u32, IpAddr)> {
        let last = self.inner.last_reserved().into_iter();
        last.map(|(index, address)| (index, convert::address_in(address))).collect()
    }

    /// The time.
    pub fn now(&self) -> SystemTime {
        convert::time_in(self.inner.now())
    }
}
