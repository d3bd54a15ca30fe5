//! The guard: no answer of a policy is committed before it has passed here.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::Family;
use crate::attachment::{Answer, Assigned, Dns, Request, Route};
use crate::ledger::LedgerQueries;
use crate::network_view::NetworkView;
use crate::occupied::Occupant;
use crate::pool::Pools;
use crate::runtime::view::{AddressState, LeaseView, ViewError};
use crate::store_error::StoreError;

/// Addresses and routes one attachment may get.
const MOST_ADDRESSES: usize = 32;
const MOST_ROUTES: usize = 256;

/// What is wrong with an answer; the sentence follows the policy's name.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("it answered without an address")]
    NoAddress,
    #[error("it answered {count} {what}; {most} is the most")]
    TooMany {
        /// "addresses" or "routes".
        what: &'static str,
        count: usize,
        most: usize,
    },
    #[error("it answered {address} twice")]
    Twice { address: IpAddr },
    /// Two addresses where a container gets one.
    #[error("it answered both {first} and {second} of the pool {pool}, and a container gets one address of a pool")]
    OnePerPool { first: IpAddr, second: IpAddr, pool: String },
    #[error("it answered {address}, which is leased to container {container}, interface {interface}")]
    Leased { address: IpAddr, container: String, interface: String },
    /// An address that may not be used, with the reason.
    #[error("it answered {address}, {why}")]
    NotFree { address: IpAddr, why: String },
    /// An address asked for by name is missing.
    #[error("it ignored the requested address {address}; a policy must grant all requested addresses or refuse")]
    RequestIgnored { address: IpAddr },
    /// A value the kernel would refuse, or worse, take.
    #[error("it answered {what}")]
    Nonsense { what: String },
    /// The store failed, so it is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks an answer against everything the host promises.
///
/// # Errors
/// [`GuardError`] names the first thing that is wrong.
pub fn check<L: LedgerQueries>(
    answer: &Answer,
    request: &Request,
    view: &mut NetworkView<L>,
) -> Result<(), GuardError> {
    bound("addresses", answer.addresses.len(), MOST_ADDRESSES)?;
    bound("routes", answer.routes.len(), MOST_ROUTES)?;
    if answer.addresses.is_empty() {
        return Err(GuardError::NoAddress);
    }
    for (index, assigned) in answer.addresses.iter().enumerate() {
        well_formed(assigned)?;
        known_gateway(assigned, view.pools())?;
        alone(assigned.address.addr(), &answer.addresses[..index], view)?;
        free(assigned.address.addr(), view)?;
    }
    let granted = |wanted: &IpAddr| answer.addresses.iter().any(|assigned| assigned.address.addr() == *wanted);
    if let Some(address) = request.requested.iter().find(|wanted| !granted(wanted)) {
        return Err(GuardError::RequestIgnored { address: *address });
    }
    answer.routes.iter().try_for_each(route)?;
    answer.dns.as_ref().map_or(Ok(()), dns)
}

fn bound(what: &'static str, count: usize, most: usize) -> Result<(), GuardError> {
    if count > most { Err(GuardError::TooMany { what, count, most }) } else { Ok(()) }
}

fn nonsense(what: String) -> Result<(), GuardError> {
    Err(GuardError::Nonsense { what })
}

/// Another gateway could not be reached, or would belong to another host.
fn known_gateway(assigned: &Assigned, pools: &Pools) -> Result<(), GuardError> {
    match assigned.gateway {
        Some(gateway) if !pools.declares_gateway(gateway) => {
            nonsense(format!("{} with the gateway {gateway}, which none of its pools declares", assigned.address))
        }
        _ => Ok(()),
    }
}

fn well_formed(assigned: &Assigned) -> Result<(), GuardError> {
    let Assigned { address, gateway } = assigned;
    if address.prefix_len() == 0 {
        return nonsense(format!("{address}: a prefix of length 0 would put all addresses on the container's link"));
    }
    match gateway {
        Some(gateway) if Family::of(*gateway) != Family::of(address.addr()) => {
            nonsense(format!("{address} with the gateway {gateway} of the other family"))
        }
        Some(gateway) if *gateway == address.addr() => nonsense(format!("{address} with itself as the gateway")),
        _ => Ok(()),
    }
}

fn alone<L: LedgerQueries>(address: IpAddr, before: &[Assigned], view: &NetworkView<L>) -> Result<(), GuardError> {
    let pool_of = |address| view.pools().locate(address).map(|(pool, _)| pool.name.as_str());
    for earlier in before.iter().map(|assigned| assigned.address.addr()) {
        if earlier == address {
            return Err(GuardError::Twice { address });
        }
        if let (Some(first), Some(second)) = (view.pools().locate(earlier), view.pools().locate(address))
            && std::ptr::eq(first.0, second.0)
        {
            let pool = pool_of(address).unwrap_or_default().to_owned();
            return Err(GuardError::OnePerPool { first: earlier, second: address, pool });
        }
    }
    Ok(())
}

fn free<L: LedgerQueries>(address: IpAddr, view: &mut NetworkView<L>) -> Result<(), GuardError> {
    match view.occupant(address) {
        Some(Occupant::Node) => {
            let why = "which this node has on one of its own interfaces".to_owned();
            return Err(GuardError::NotFree { address, why });
        }
        Some(Occupant::Network(network)) => {
            let why = format!("which the network {network} of this node holds on the same link");
            return Err(GuardError::NotFree { address, why });
        }
        None => {}
    }
    let why = match store_only(view.address_state(address))? {
        AddressState::Free => return Ok(()),
        AddressState::Leased => return Err(leased(address, view)?),
        AddressState::Cooling => "which is still cooling after its last use (`ipam.cooldown`)".to_owned(),
        AddressState::Reserved => "which is reserved, and this call did not reserve it under the same key".to_owned(),
        AddressState::Draining => "which is in a range that is drained".to_owned(),
        AddressState::Excluded => "which the configuration's `exclude` forbids".to_owned(),
        AddressState::Unusable => "which is a network, broadcast or gateway address".to_owned(),
        AddressState::Outside if view.pools().left_out(address) => {
            "which is in none of the blocks that this node holds".to_owned()
        }
        AddressState::Outside => outside(address, &view.pools().families()),
    };
    Err(GuardError::NotFree { address, why })
}

fn leased<L: LedgerQueries>(address: IpAddr, view: &mut NetworkView<L>) -> Result<GuardError, StoreError> {
    let holder = view.ledger().holder(address)?;
    let (container, interface) = holder.map(|key| (key.container_id, key.interface)).unwrap_or_default();
    Ok(GuardError::Leased { address, container, interface })
}

fn outside(address: IpAddr, families: &[Family]) -> String {
    match families {
        [only] if *only != Family::of(address) => {
            format!("an {} address, and all pools of this network are {only}", Family::of(address))
        }
        _ => "which is in none of this network's pools".to_owned(),
    }
}

/// The guard itself makes few queries: a spent budget is the policy's doing and cannot hide an answer from the guard.
fn store_only<T>(answer: Result<T, ViewError>) -> Result<T, GuardError> {
    answer.map_err(|error| match error {
        ViewError::Store(store) => GuardError::Store(store),
        spent => GuardError::Nonsense { what: format!("after {spent}") },
    })
}

fn route(route: &Route) -> Result<(), GuardError> {
    let Route { destination, gateway, .. } = route;
    if *destination != destination.trunc() {
        return nonsense(format!("the route {destination}, which has host bits set"));
    }
    match gateway {
        Some(gateway) if Family::of(*gateway) != family(*destination) => {
            nonsense(format!("the route {destination} via {gateway}, of two families"))
        }
        _ => Ok(()),
    }
}

fn family(prefix: IpNet) -> Family {
    Family::of(prefix.addr())
}

/// These texts end up in a resolv.conf: a line break would smuggle a line in.
fn dns(dns: &Dns) -> Result<(), GuardError> {
    let texts = dns.nameservers.iter().chain(&dns.search).chain(&dns.options).chain(&dns.domain);
    for text in texts {
        if text.is_empty() || text.len() > 256 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return nonsense(format!("the name resolution entry {:?}", text.chars().take(64).collect::<String>()));
        }
    }
    Ok(())
}
