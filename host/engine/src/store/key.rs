//! How names, addresses and times become keys of the store's tree; the tables are described in [`super`].

use std::net::IpAddr;

use super::StoreError;
use crate::address::Family;
use crate::attachment::AttachmentKey;

/// A network's number within one store. Numbers start at 1; 0 is a network the store has never seen.
pub(super) type NetworkId = u32;

#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Table {
    Meta = 0,
    Networks = 1,
    Attachments = 2,
    Leases = 3,
    Runs = 4,
    Cooling = 5,
    CoolingOrder = 6,
    State = 7,
    ClusterState = 8,
    Adoptions = 9,
    Reservations = 10,
    ReservationKeys = 11,
    ReservationEnds = 12,
    Namespaces = 13,
    LastAllocated = 14,
    Shadow = 15,
    Facts = 16,
    Refusals = 17,
    PolicyCounters = 18,
}

/// What a record of the facts is about.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum FactKind {
    Feed = 0,
    Node = 1,
    Namespace = 2,
    Pod = 3,
}

pub(super) const ALL_FACTS: &[u8] = &[Table::Facts as u8];
pub(super) const REFUSALS: &[u8] = &[Table::Refusals as u8];
/// LMDB's bound.
const LONGEST_KEY: usize = 511;

/// The start of all facts of a kind.
pub(super) fn facts(kind: FactKind) -> [u8; 2] {
    [Table::Facts as u8, kind as u8]
}

/// None if the name is longer than any name in Kubernetes.
pub(super) fn fact(kind: FactKind, name: &str) -> Option<Vec<u8>> {
    let key = [&facts(kind), name.as_bytes()].concat();
    (key.len() <= LONGEST_KEY).then_some(key)
}

/// As [`fact`].
pub(super) fn refusal(name: &str) -> Option<Vec<u8>> {
    let key = [REFUSALS, name.as_bytes()].concat();
    (key.len() <= LONGEST_KEY).then_some(key)
}

/// The longest container id and network name. Both are part of file names in every runtime's cache, so 255 bytes is what
/// they can be in practice; LMDB's keys end at 511 bytes.
pub(super) const LONGEST_NAME: usize = 255;
/// The longest interface name; Linux allows 15.
const LONGEST_INTERFACE: usize = 64;
const LONGEST_RESERVATION_KEY: usize = 256;
/// The longest key of a policy's state that fits; the contract with policies allows 256.
const LONGEST_STATE_KEY: usize = 500;

/// The record about the store as a whole.
pub(super) const META: &[u8] = &[Table::Meta as u8, 0];
pub(super) const NEXT_NETWORK: &[u8] = &[Table::Meta as u8, 1];

/// The start of all keys of a network in a table.
pub(super) fn prefix(table: Table, network: NetworkId) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    key.push(table as u8);
    key.extend_from_slice(&network.to_be_bytes());
    key
}

/// How many bytes [`prefix`] makes.
pub(super) const PREFIX: usize = 5;

pub(super) fn network(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(Table::Networks as u8);
    key.extend_from_slice(name.as_bytes());
    key
}

/// Container, NUL, interface: sorts like the pair of them.
pub(super) fn owner(key: &AttachmentKey) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.container_id.len() + 1 + key.interface.len());
    bytes.extend_from_slice(key.container_id.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(key.interface.as_bytes());
    bytes
}

pub(super) fn read_owner(bytes: &[u8]) -> Option<AttachmentKey> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (container_id, interface) = text.split_once('\0')?;
    Some(AttachmentKey { container_id: container_id.to_owned(), interface: interface.to_owned() })
}

pub(super) fn attachment(network: NetworkId, owner: &[u8]) -> Vec<u8> {
    let mut key = prefix(Table::Attachments, network);
    key.extend_from_slice(owner);
    key
}

/// A key of the tables by address: leases, runs and cooling.
pub(super) fn by_address(table: Table, network: NetworkId, address: IpAddr) -> Vec<u8> {
    let mut key = prefix(table, network);
    push_address(&mut key, address);
    key
}

/// Where the addresses of a family start in a table by address.
pub(super) fn by_family(table: Table, network: NetworkId, family: Family) -> Vec<u8> {
    let mut key = prefix(table, network);
    key.push(family_byte(family));
    key
}

pub(super) fn cooling_order(network: NetworkId, freed_at: u64, address: IpAddr) -> Vec<u8> {
    let mut key = prefix(Table::CoolingOrder, network);
    key.extend_from_slice(&freed_at.to_be_bytes());
    push_address(&mut key, address);
    key
}

/// Above every key of [`cooling_order`] with this time, below those with a later one.
pub(super) fn cooling_order_end(network: NetworkId, freed_at: u64) -> Vec<u8> {
    let mut key = prefix(Table::CoolingOrder, network);
    key.extend_from_slice(&freed_at.to_be_bytes());
    key.push(u8::MAX);
    key
}

/// The time and address of a key of [`cooling_order`] or [`reservation_end`].
pub(super) fn read_time_and_address(key: &[u8]) -> Option<(u64, IpAddr)> {
    let (freed_at, address) = key.get(PREFIX..)?.split_first_chunk()?;
    Some((u64::from_be_bytes(*freed_at), read_address(address)?))
}

/// A key of the tables by text: state, shadow and counters of policies.
pub(super) fn by_text(table: Table, network: NetworkId, key: &str) -> Vec<u8> {
    let mut bytes = prefix(table, network);
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

pub(super) fn reservation_keys(network: NetworkId, key: &str) -> Vec<u8> {
    let mut bytes = prefix(Table::ReservationKeys, network);
    bytes.extend_from_slice(key.as_bytes());
    bytes.push(0);
    bytes
}

pub(super) fn reservation_key(network: NetworkId, key: &str, address: IpAddr) -> Vec<u8> {
    let mut bytes = reservation_keys(network, key);
    push_address(&mut bytes, address);
    bytes
}

pub(super) fn reservation_end(network: NetworkId, until: u64, address: IpAddr) -> Vec<u8> {
    let mut key = prefix(Table::ReservationEnds, network);
    key.extend_from_slice(&until.to_be_bytes());
    push_address(&mut key, address);
    key
}

/// A namespace's counter, and the start of the keys of its addresses. None for a name that no namespace can have.
pub(super) fn namespace(network: NetworkId, namespace: &str) -> Option<Vec<u8>> {
    if namespace.len() > LONGEST_NAME || namespace.contains('\0') {
        return None;
    }
    let mut key = prefix(Table::Namespaces, network);
    key.extend_from_slice(namespace.as_bytes());
    key.push(0);
    Some(key)
}

/// An address at the end of a key.
pub(super) fn with_address(mut key: Vec<u8>, address: IpAddr) -> Vec<u8> {
    push_address(&mut key, address);
    key
}

/// The address that was allocated last of a pool.
pub(super) fn last_allocated(network: NetworkId, pool: u32) -> Vec<u8> {
    let mut key = prefix(Table::LastAllocated, network);
    key.extend_from_slice(&pool.to_be_bytes());
    key
}

/// That the reference's leases of a network were adopted.
pub(super) fn adoption(network: NetworkId) -> Vec<u8> {
    prefix(Table::Adoptions, network)
}

/// An address as a value: family and octets, in the order of addresses.
pub(super) fn address(address: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17);
    push_address(&mut bytes, address);
    bytes
}

pub(super) fn read_address(bytes: &[u8]) -> Option<IpAddr> {
    let (family, octets) = bytes.split_first()?;
    match *family {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        6 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

fn push_address(key: &mut Vec<u8>, address: IpAddr) {
    key.push(family_byte(Family::of(address)));
    match address {
        IpAddr::V4(v4) => key.extend_from_slice(&v4.octets()),
        IpAddr::V6(v6) => key.extend_from_slice(&v6.octets()),
    }
}

fn family_byte(family: Family) -> u8 {
    match family {
        Family::V4 => 4,
        Family::V6 => 6,
    }
}

pub(crate) fn check_attachment(key: &AttachmentKey) -> Result<(), StoreError> {
    check_length("the container id", &key.container_id, LONGEST_NAME)?;
    check_length("the interface", &key.interface, LONGEST_INTERFACE)?;
    for (what, name) in [("the container id", &key.container_id), ("the interface", &key.interface)] {
        if name.contains('\0') {
            return Err(StoreError::Nul { what });
        }
    }
    Ok(())
}

pub(crate) fn check_network(name: &str) -> Result<(), StoreError> {
    check_length("the network's name", name, LONGEST_NAME)
}

pub(crate) fn check_reservation(key: &str) -> Result<(), StoreError> {
    if key.contains('\0') {
        return Err(StoreError::Nul { what: "the reservation's key" });
    }
    check_length("the reservation's key", key, LONGEST_RESERVATION_KEY)
}

pub(crate) fn check_state_key(key: &str) -> Result<(), StoreError> {
    check_length("the state's key", key, LONGEST_STATE_KEY)
}

fn check_length(what: &'static str, text: &str, most: usize) -> Result<(), StoreError> {
    if text.len() > most { Err(StoreError::TooLong { what, length: text.len(), most }) } else { Ok(()) }
}
