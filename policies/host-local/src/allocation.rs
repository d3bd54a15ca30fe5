//! One address of each range set, in turn.

use std::net::IpAddr;

use gingham_sdk::leases::{self, AddressState};
use gingham_sdk::{Adopted, Assigned, Pool, Refusal, Request, log, state};

/// One address of each pool; of a pool that holds a requested address, that one.
pub(crate) fn one_of_each(pools: &[Pool], request: &Request) -> Result<Vec<Assigned>, Refusal> {
    let wanted = request.requested_addresses();
    let mut assigned = Vec::new();
    for (index, pool) in pools.iter().enumerate() {
        let address = match wanted.iter().find(|address| pool.find(**address).is_some()) {
            Some(address) => available(index, pool, *address)?,
            None => next(index, pool)?,
        };
        assigned.extend(pool.assign(address));
        remember(index, address);
    }
    let is_granted = |address: &IpAddr| assigned.iter().any(|granted| granted.address.addr() == *address);
    let missing: Vec<IpAddr> = wanted.into_iter().filter(|address| !is_granted(address)).collect();
    if missing.is_empty() { Ok(assigned) } else { Err(not_all(pools, &missing)) }
}

/// The reference's sentence, and why it is so for each address.
fn not_all(pools: &[Pool], missing: &[IpAddr]) -> Refusal {
    let addresses = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let reasons = missing.iter().map(|address| match pools.iter().position(|pool| pool.find(*address).is_some()) {
        Some(index) => format!("{address} is the second that was requested of range set {index}"),
        None => format!("{address} is in no range"),
    });
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    Refusal::Unavailable(format!("failed to allocate all requested IPs: {addresses}: {reasons}"))
}

fn available(index: usize, pool: &Pool, address: IpAddr) -> Result<IpAddr, Refusal> {
    if pool.find(address).is_some_and(|range| range.gateway() == Some(address)) {
        let message = format!("failed to allocate for range {index}: requested ip {address} is subnet's gateway");
        return Err(Refusal::Unavailable(message));
    }
    match leases::state(address) {
        AddressState::Free => Ok(address),
        state => Err(Refusal::Unavailable(format!(
            "failed to allocate for range {index}: requested IP address {address} is not available in range set {}: it is {state}",
            set(pool)
        ))),
    }
}

fn next(index: usize, pool: &Pool) -> Result<IpAddr, Refusal> {
    let last = state::get_bytes(&key(index)).and_then(|text| String::from_utf8(text).ok()?.parse().ok());
    pool.next_free_after(last).ok_or_else(|| {
        let set = set(pool);
        Refusal::Exhausted(format!(
            "failed to allocate for range {index}: no IP addresses available in range set: {set}"
        ))
    })
}

/// Where the next search begins. Without it addresses are reused early, which is no reason to refuse one.
fn remember(index: usize, address: IpAddr) {
    if let Err(error) = state::set_bytes(&key(index), address.to_string().as_bytes()) {
        log::warn(&format!("cannot store the last address of range set {index}: {error}"));
    }
}

/// Goes on where the reference stopped. Where nothing is new, it has not gone on since.
pub(crate) fn go_on_from(adopted: &Adopted) {
    let is_new = !adopted.addresses(None).is_empty();
    for (index, last) in adopted.last_reserved() {
        let Ok(index) = usize::try_from(index) else { continue };
        if is_new || state::get_bytes(&key(index)).is_none() {
            remember(index, last);
        }
    }
}

fn key(index: usize) -> String {
    format!("last/{index}")
}

fn set(pool: &Pool) -> String {
    pool.ranges().iter().map(|range| range.range().to_string()).collect::<Vec<_>>().join(",")
}
