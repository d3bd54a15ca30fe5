//! The leases of this network, as they are while the policy runs.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::bindings::policy::gingham::ipam::leases as wit;
use crate::{IpRange, convert, host};

/// Leases or ranges of one question to the host.
const PAGE: u32 = 256;

/// What an address is to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressState {
    /// An answer with it would be accepted.
    Free,
    /// An attachment holds it.
    Leased,
    /// Freed a short while ago, and not by this pod or container.
    Cooling,
    /// A reservation keeps it.
    Reserved,
    /// The configuration excludes it.
    Excluded,
    /// Its range is draining: it hands out nothing new.
    Draining,
    /// Network, broadcast or gateway address.
    Unusable,
    /// In none of the policy's pools.
    Outside,
    /// Something a later host knows; not free.
    Other(String),
}

impl fmt::Display for AddressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free",
            Self::Leased => "leased",
            Self::Cooling => "cooling after its last use",
            Self::Reserved => "reserved",
            Self::Excluded => "excluded by the configuration",
            Self::Draining => "in a range that is drained",
            Self::Unusable => "a network, broadcast or gateway address",
            Self::Outside => "in no pool",
            Self::Other(other) => other,
        })
    }
}

/// One lease. Every method is a host call.
pub struct Lease {
    inner: wit::Lease,
}

impl Lease {
    /// The leased address.
    pub fn address(&self) -> IpAddr {
        convert::address_in(self.inner.address())
    }

    /// The holder's container.
    pub fn container_id(&self) -> String {
        self.inner.container_id()
    }

    /// The holder's interface.
    pub fn interface_name(&self) -> String {
        self.inner.interface_name()
    }

    /// When it was leased.
    pub fn since(&self) -> SystemTime {
        convert::time_in(self.inner.since())
    }

    /// The holder's pod's namespace.
    pub fn pod_namespace(&self) -> Option<String> {
        self.inner.pod_namespace()
    }

    /// The holder's pod's name.
    pub fn pod_name(&self) -> Option<String> {
        self.inner.pod_name()
    }

    /// The sentence of the answer it came with.
    pub fn reason(&self) -> Option<String> {
        self.inner.reason()
    }
}

/// Who held a cooling address until it was freed. Every method is a host call.
pub struct FormerHolder {
    inner: wit::FormerHolder,
}

impl FormerHolder {
    /// The container.
    pub fn container_id(&self) -> String {
        self.inner.container_id()
    }

    /// The interface in it.
    pub fn interface_name(&self) -> String {
        self.inner.interface_name()
    }

    /// The pod's namespace.
    pub fn pod_namespace(&self) -> Option<String> {
        self.inner.pod_namespace()
    }

    /// The pod's name.
    pub fn pod_name(&self) -> Option<String> {
        self.inner.pod_name()
    }

    /// When the address was freed.
    pub fn freed_at(&self) -> SystemTime {
        convert::time_in(self.inner.freed_at())
    }
}

/// The first free address of the range that lies above `after`. A cooling address is never found.
pub fn next_free(within: IpRange, after: Option<IpAddr>) -> Option<IpAddr> {
    host::called();
    wit::next_free(convert::range_out(within), after.map(convert::address_out)).map(convert::address_in)
}

/// The free addresses of the range, found one by one.
pub fn free(within: IpRange) -> impl Iterator<Item = IpAddr> {
    std::iter::successors(next_free(within, None), move |found| next_free(within, Some(*found)))
}

/// What this address is to the host.
pub fn state(address: IpAddr) -> AddressState {
    host::called();
    match wit::state(convert::address_out(address)) {
        wit::AddressState::Free => AddressState::Free,
        wit::AddressState::Leased => AddressState::Leased,
        wit::AddressState::Cooling => AddressState::Cooling,
        wit::AddressState::Reserved => AddressState::Reserved,
        wit::AddressState::Excluded => AddressState::Excluded,
        wit::AddressState::Draining => AddressState::Draining,
        wit::AddressState::Unusable => AddressState::Unusable,
        wit::AddressState::Outside => AddressState::Outside,
        wit::AddressState::Other(other) => AddressState::Other(other),
    }
}

/// Whether an answer with this address would be accepted.
pub fn is_free(address: IpAddr) -> bool {
    state(address) == AddressState::Free
}

/// The lease on this address.
pub fn holder(address: IpAddr) -> Option<Lease> {
    host::called();
    wit::holder(convert::address_out(address)).map(|inner| Lease { inner })
}

/// Who held this address last, if it is cooling.
pub fn last_holder(address: IpAddr) -> Option<FormerHolder> {
    host::called();
    wit::last_holder(convert::address_out(address)).map(|inner| FormerHolder { inner })
}

/// How many addresses of the range are leased; `u64::MAX` stands for that many or more.
pub fn used_count(within: IpRange) -> u64 {
    host::called();
    wit::used_count(convert::range_out(within))
}

/// How many addresses of the range are free; it saturates likewise.
pub fn free_count(within: IpRange) -> u64 {
    host::called();
    wit::free_count(convert::range_out(within))
}

/// The leases of the range, in address order.
pub fn list(within: IpRange) -> impl Iterator<Item = Lease> {
    host::called();
    pages(move |after| wit::list(convert::range_out(within), after, PAGE), Lease::address, |inner| Lease { inner })
}

/// The leases of the pods of a namespace, in address order.
pub fn of_namespace(namespace: &str) -> impl Iterator<Item = Lease> {
    host::called();
    pages(move |after| wit::of_namespace(namespace, after, PAGE), Lease::address, |inner| Lease { inner })
}

/// How many addresses the pods of a namespace hold.
pub fn count_of_namespace(namespace: &str) -> u64 {
    host::called();
    wit::count_of_namespace(namespace)
}

/// The runs of free addresses of the range, in address order.
pub fn free_ranges(within: IpRange) -> impl Iterator<Item = IpRange> {
    host::called();
    let page = move |after| wit::free_ranges(convert::range_out(within), after, PAGE);
    pages(page, IpRange::last, |range| convert::range_in(&range))
}

/// Asks page by page, each one with the last address of the one before.
fn pages<W, T>(
    page: impl Fn(Option<crate::bindings::policy::gingham::ipam::addresses::IpAddress>) -> Vec<W>,
    last: impl Fn(&T) -> IpAddr,
    read: impl Fn(W) -> T,
) -> impl Iterator<Item = T> {
    let mut items = page(None).into_iter();
    let mut after = None;
    std::iter::from_fn(move || {
        let next = items.next().or_else(|| {
            // Without an item before there is no next page.
            items = page(Some(after.take()?)).into_iter();
            items.next()
        });
        let next = next.map(&read);
        // Only the last one of a page is asked for its address.
        if items.as_slice().is_empty() {
            after = next.as_ref().map(|item| convert::address_out(last(item)));
        }
        next
    })
}
