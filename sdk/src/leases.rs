//! The leases of this network, as they are while the policy runs.

use std::fmt;
use std::net::IpAddr;

use crate::bindings::plain::gingham::ipam::leases as wit;
use crate::convert;

/// What an address is to the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// An answer with it would be accepted.
    Free,
    /// An attachment holds it.
    Leased,
    /// It rests after its last use.
    Resting,
    /// The configuration excludes it.
    Excluded,
    /// Network, broadcast or gateway address.
    Reserved,
    /// In none of the policy's pools.
    Outside,
    /// Something a later host knows; not free.
    Other(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Free => "free",
            Self::Leased => "leased",
            Self::Resting => "resting after its last use",
            Self::Excluded => "excluded by the configuration",
            Self::Reserved => "a network, broadcast or gateway address",
            Self::Outside => "in no pool",
            Self::Other(other) => other,
        })
    }
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The leased address.
    pub address: IpAddr,
    /// The holder's container.
    pub container_id: String,
    /// The holder's interface.
    pub interface_name: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub since: u64,
    /// The holder's pod's namespace.
    pub pod_namespace: Option<String>,
    /// The holder's pod's name.
    pub pod_name: Option<String>,
}

/// The first free address from `first` to `last` that lies above `after`.
pub fn next_free(first: IpAddr, last: IpAddr, after: Option<IpAddr>) -> Option<IpAddr> {
    let within = convert::range_out(first, last)?;
    wit::next_free(within, after.map(convert::address_out)).map(convert::address_in)
}

/// The free addresses from `first` to `last`, found one by one.
pub fn free(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    std::iter::successors(next_free(first, last, None), move |found| next_free(first, last, Some(*found)))
}

/// What this address is to the host.
pub fn state(address: IpAddr) -> State {
    match wit::state(convert::address_out(address)) {
        wit::AddressState::Free => State::Free,
        wit::AddressState::Leased => State::Leased,
        wit::AddressState::Resting => State::Resting,
        wit::AddressState::Excluded => State::Excluded,
        wit::AddressState::Reserved => State::Reserved,
        wit::AddressState::Outside => State::Outside,
        wit::AddressState::Other(other) => State::Other(other),
    }
}

/// The lease on this address.
pub fn holder(address: IpAddr) -> Option<Lease> {
    let lease = wit::holder(convert::address_out(address))?;
    Some(Lease {
        address: convert::address_in(lease.address()),
        container_id: lease.container_id(),
        interface_name: lease.interface_name(),
        since: lease.since(),
        pod_namespace: lease.pod_namespace(),
        pod_name: lease.pod_name(),
    })
}

/// How many addresses from `first` to `last` are leased; `u64::MAX` stands for that many or more.
pub fn used_count(first: IpAddr, last: IpAddr) -> u64 {
    convert::range_out(first, last).map_or(0, wit::used_count)
}

/// How many addresses from `first` to `last` are free; it saturates likewise.
pub fn free_count(first: IpAddr, last: IpAddr) -> u64 {
    convert::range_out(first, last).map_or(0, wit::free_count)
}
