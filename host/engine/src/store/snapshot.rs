//! Questions about one network, asked of a transaction.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Bound;
use std::path::Path;

use heed::RoTxn;
use serde::Deserialize;

use super::environment::Tree;
use super::key::{self, NetworkId, Table};
use super::{Environment, StoreError};
use crate::address::{Family, IpRange, successor};
use crate::attachment::{AttachmentKey, FormerHolder};
use crate::ledger::{AttachmentRecord, Reservation};
use crate::reference_leases::Adoption;

/// What is kept of a network besides its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) id: NetworkId,
    /// How many attachments.
    pub(super) attachments: u64,
    /// Bytes of all notes' keys and values.
    pub(super) notes_size: u64,
    /// How many reservations.
    pub(super) reservations: u64,
}

impl Network {
    /// A network nobody has seen yet.
    pub(super) fn unseen(id: NetworkId) -> Self {
        Self { id, attachments: 0, notes_size: 0, reservations: 0 }
    }

    pub(super) fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.id.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.attachments.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.notes_size.to_be_bytes());
        bytes[20..].copy_from_slice(&self.reservations.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (attachments, rest) = rest.split_first_chunk()?;
        let (notes_size, rest) = rest.split_first_chunk()?;
        // Schema 1 has no reservations.
        let reservations = rest.first_chunk().copied().unwrap_or_default();
        Some(Self {
            id: NetworkId::from_be_bytes(*id),
            attachments: u64::from_be_bytes(*attachments),
            notes_size: u64::from_be_bytes(*notes_size),
            reservations: u64::from_be_bytes(reservations),
        })
    }
}

/// A transaction, for reading.
#[derive(Clone, Copy)]
pub(super) struct Snapshot<'t> {
    txn: &'t RoTxn<'t>,
    tree: Tree,
    path: &'t Path,
}

impl<'t> Snapshot<'t> {
    pub(super) fn new(environment: &'t Environment, txn: &'t RoTxn<'t>) -> Self {
        Self { txn, tree: environment.tree(), path: environment.path() }
    }

    pub(super) fn network(&self, name: &str) -> Result<Option<Network>, StoreError> {
        self.get(&key::network(name))?
            .map(|bytes| Network::read(bytes).ok_or_else(|| self.broken("a network")))
            .transpose()
    }

    /// All networks, by name.
    pub(super) fn networks(&self) -> Result<Vec<(String, Network)>, StoreError> {
        let mut networks = Vec::new();
        self.scan(&[Table::Networks as u8], |key, value| {
            let name = std::str::from_utf8(&key[1..]).ok();
            let network = name.zip(Network::read(value)).ok_or_else(|| self.broken("a network"))?;
            networks.push((network.0.to_owned(), network.1));
            Ok(true)
        })?;
        Ok(networks)
    }

    /// The number the next unseen network gets.
    pub(super) fn next_network(&self) -> Result<NetworkId, StoreError> {
        let Some(bytes) = self.get(key::NEXT_NETWORK)? else { return Ok(1) };
        let bytes = bytes.try_into().map_err(|_| self.broken("the next network"))?;
        Ok(NetworkId::from_be_bytes(bytes))
    }

    pub(super) fn attachment(&self, net: NetworkId, owner: &[u8]) -> Result<Option<AttachmentRecord>, StoreError> {
        self.get(&key::attachment(net, owner))?.map(|bytes| self.record(bytes)).transpose()
    }

    pub(super) fn attachments(&self, net: NetworkId) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError> {
        let mut attachments = Vec::new();
        self.scan(&key::prefix(Table::Attachments, net), |key, value| {
            let owner = key::read_owner(&key[key::PREFIX..]).ok_or_else(|| self.broken("an attachment"))?;
            attachments.push((owner, self.record(value)?));
            Ok(true)
        })?;
        Ok(attachments)
    }

    /// What a boot leaves of the attachments: those of that boot itself, and the node's own. Reads no more than the boot
    /// of the others.
    pub(super) fn attachments_after(
        &self,
        net: NetworkId,
        boot: &str,
    ) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError> {
        #[derive(Deserialize)]
        struct Boot<'a> {
            #[serde(borrow)]
            boot: Cow<'a, str>,
        }
        let mut attachments = Vec::new();
        self.scan(&key::prefix(Table::Attachments, net), |key, value| {
            let owner = key::read_owner(&key[key::PREFIX..]).ok_or_else(|| self.broken("an attachment"))?;
            if owner.is_nodes_own() || self.json::<Boot>(value)?.boot == boot {
                attachments.push((owner, self.record(value)?));
            }
            Ok(true)
        })?;
        Ok(attachments)
    }

    pub(super) fn holder(&self, net: NetworkId, address: IpAddr) -> Result<Option<AttachmentKey>, StoreError> {
        let owner = self.get(&key::by_address(Table::Leases, net, address))?;
        owner.map(|bytes| key::read_owner(bytes).ok_or_else(|| self.broken("a lease"))).transpose()
    }

    /// Addresses within the ranges, disjoint and in order, that other networks hold on what may be the same link.
    pub(super) fn held_by_others(
        &self,
        net: NetworkId,
        within: &[IpRange],
        link: Option<&str>,
    ) -> Result<Vec<(IpAddr, String)>, StoreError> {
        let mut held = Vec::new();
        for (name, other) in self.networks()? {
            if other.id != net && other.attachments > 0 {
                let addresses = self.held_within(other.id, within, link)?;
                held.extend(addresses.into_iter().map(|address| (address, name.clone())));
            }
        }
        Ok(held)
    }

    /// Goes from lease to range and from range to lease, so that neither many of the one nor of the other cost much where
    /// they have nothing in common.
    fn held_within(
        &self,
        net: NetworkId,
        mut within: &[IpRange],
        link: Option<&str>,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let mut held = Vec::new();
        while let Some(range) = within.first() {
            let from = key::by_address(Table::Leases, net, range.first());
            let found = self.tree.get_greater_than_or_equal_to(self.txn, &from).map_err(|error| self.fault(error))?;
            let of_net = found.filter(|(key, _)| key.starts_with(&key::prefix(Table::Leases, net)));
            let Some((key, _)) = of_net else { break };
            let lowest = key::read_address(&key[key::PREFIX..]).ok_or_else(|| self.broken("a lease"))?;
            within = &within[within.partition_point(|range| range.last() < lowest)..];
            let Some(range) = within.first().filter(|range| range.contains(lowest)) else { continue };
            let to = key::by_address(Table::Leases, net, range.last());
            let bounds = (Bound::Included(key), Bound::Included(to.as_slice()));
            for entry in self.tree.range(self.txn, &bounds).map_err(|error| self.fault(error))? {
                let (key, owner) = entry.map_err(|error| self.fault(error))?;
                if self.may_be_on(net, owner, link)? {
                    held.push(key::read_address(&key[key::PREFIX..]).ok_or_else(|| self.broken("a lease"))?);
                }
            }
            within = &within[1..];
        }
        Ok(held)
    }

    fn may_be_on(&self, net: NetworkId, owner: &[u8], link: Option<&str>) -> Result<bool, StoreError> {
        #[derive(Deserialize)]
        struct OnLink<'a> {
            #[serde(borrow, default)]
            link: Option<Cow<'a, str>>,
        }
        let Some(link) = link else { return Ok(true) };
        let Some(bytes) = self.get(&key::attachment(net, owner))? else { return Ok(true) };
        Ok(self.json::<OnLink>(bytes)?.link.is_none_or(|theirs| theirs == link))
    }

    pub(super) fn resting_since(&self, net: NetworkId, address: IpAddr) -> Result<Option<u64>, StoreError> {
        let resting = self.get(&key::by_address(Table::Resting, net, address))?;
        resting.map(|bytes| Ok(self.rested(bytes)?.0)).transpose()
    }

    pub(super) fn last_holder(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<(FormerHolder, u64)>, StoreError> {
        let Some(bytes) = self.get(&key::by_address(Table::Resting, net, address))? else { return Ok(None) };
        let (freed_at, holder) = self.rested(bytes)?;
        Ok(holder.map(|holder| (holder, freed_at)))
    }

    /// A value of the resting table: the time, and since schema 2 who held the address.
    pub(super) fn rested(&self, bytes: &[u8]) -> Result<(u64, Option<FormerHolder>), StoreError> {
        let (time, holder) = bytes.split_first_chunk().ok_or_else(|| self.broken("a time"))?;
        let holder = if holder.is_empty() { None } else { Some(self.json(holder)?) };
        Ok((u64::from_be_bytes(*time), holder))
    }

    pub(super) fn leases_within(
        &self,
        net: NetworkId,
        within: IpRange,
        most: usize,
    ) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError> {
        let mut leases = Vec::new();
        self.scan_addresses(Table::Leases, net, within, |address, owner| {
            if leases.len() < most {
                leases.push((address, key::read_owner(owner).ok_or_else(|| self.broken("a lease"))?));
            }
            Ok(leases.len() < most)
        })?;
        Ok(leases)
    }

    pub(super) fn leases_of_namespace(
        &self,
        net: NetworkId,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let Some(prefix) = key::namespace(net, namespace) else { return Ok(Vec::new()) };
        let above = after.map_or(prefix.clone(), |after| key::with_address(prefix.clone(), after));
        let mut addresses = Vec::new();
        let from = (Bound::Excluded(above.as_slice()), Bound::Unbounded);
        for entry in self.tree.range(self.txn, &from).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            if !key.starts_with(&prefix) || addresses.len() >= most {
                break;
            }
            addresses.push(key::read_address(&key[prefix.len()..]).ok_or_else(|| self.broken("a namespace"))?);
        }
        Ok(addresses)
    }

    pub(super) fn lease_count_of_namespace(&self, net: NetworkId, namespace: &str) -> Result<u64, StoreError> {
        let Some(key) = key::namespace(net, namespace) else { return Ok(0) };
        self.get(&key)?.map_or(Ok(0), |count| self.time(count))
    }

    pub(super) fn reservation(&self, net: NetworkId, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        let bytes = self.get(&key::by_address(Table::Reservations, net, address))?;
        bytes.map(|bytes| self.reserved(address, bytes)).transpose()
    }

    fn reserved(&self, address: IpAddr, bytes: &[u8]) -> Result<Reservation, StoreError> {
        let broken = || self.broken("a reservation");
        let (until, key) = bytes.split_first_chunk().ok_or_else(broken)?;
        let key = std::str::from_utf8(key).map_err(|_| broken())?.to_owned();
        Ok(Reservation { address, key, until: u64::from_be_bytes(*until) })
    }

    pub(super) fn reservations_of(&self, net: NetworkId, key: &str) -> Result<Vec<Reservation>, StoreError> {
        let prefix = key::reservation_keys(net, key);
        let mut found = Vec::new();
        self.scan(&prefix, |entry, _| {
            let address = key::read_address(&entry[prefix.len()..]).ok_or_else(|| self.broken("a reservation"))?;
            found.extend(self.reservation(net, address)?);
            Ok(true)
        })?;
        Ok(found)
    }

    pub(super) fn reservations_within(&self, net: NetworkId, within: IpRange) -> Result<Vec<Reservation>, StoreError> {
        let mut found = Vec::new();
        self.scan_addresses(Table::Reservations, net, within, |address, bytes| {
            found.push(self.reserved(address, bytes)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Reservations that end at `now` or before, the earliest first, at most `most`.
    pub(super) fn reservations_over(&self, net: NetworkId, now: u64, most: usize) -> Result<Vec<IpAddr>, StoreError> {
        let mut over = Vec::new();
        self.scan(&key::prefix(Table::ReservationEnds, net), |key, _| {
            let (until, address) = key::read_rest_order(key).ok_or_else(|| self.broken("a reservation"))?;
            let is_over = until <= now && over.len() < most;
            over.extend(is_over.then_some(address));
            Ok(is_over)
        })?;
        Ok(over)
    }

    /// Shows the entries of a table by address within a range, in order, until told to stop.
    fn scan_addresses(
        &self,
        table: Table,
        net: NetworkId,
        within: IpRange,
        mut see: impl FnMut(IpAddr, &'t [u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let first = key::by_address(table, net, within.first());
        let last = key::by_address(table, net, within.last());
        let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        for entry in self.tree.range(self.txn, &range).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            let address = key::read_address(&key[key::PREFIX..]).ok_or_else(|| self.broken("an address"))?;
            if !see(address, value)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn next_unused(&self, net: NetworkId, within: IpRange) -> Result<Option<IpAddr>, StoreError> {
        let first = within.first();
        // Runs are maximal: the address above one is unused.
        let unused = match self.run_at_or_below(net, first)? {
            Some(run) if run.contains(first) => successor(run.last()),
            _ => Some(first),
        };
        Ok(unused.filter(|address| within.contains(*address)))
    }

    pub(super) fn next_used_run(&self, net: NetworkId, from: IpAddr) -> Result<Option<IpRange>, StoreError> {
        match self.run_at_or_below(net, from)? {
            Some(run) if run.contains(from) => Ok(Some(run)),
            _ => self.run_at_or_above(net, from),
        }
    }

    /// The run that starts at the address or, of those that start lower, the highest one.
    pub(super) fn run_at_or_below(&self, net: NetworkId, address: IpAddr) -> Result<Option<IpRange>, StoreError> {
        let key = key::by_address(Table::Runs, net, address);
        let found = self.tree.get_lower_than_or_equal_to(self.txn, &key).map_err(|error| self.fault(error))?;
        self.run(net, Family::of(address), found)
    }

    /// The run that starts at the address or, of those that start higher, the lowest one.
    pub(super) fn run_at_or_above(&self, net: NetworkId, address: IpAddr) -> Result<Option<IpRange>, StoreError> {
        let key = key::by_address(Table::Runs, net, address);
        let found = self.tree.get_greater_than_or_equal_to(self.txn, &key).map_err(|error| self.fault(error))?;
        self.run(net, Family::of(address), found)
    }

    /// An entry of the tree as a run, if it is one of this network and family.
    fn run(
        &self,
        net: NetworkId,
        family: Family,
        entry: Option<(&[u8], &[u8])>,
    ) -> Result<Option<IpRange>, StoreError> {
        let Some((key, value)) = entry else { return Ok(None) };
        if !key.starts_with(&key::by_family(Table::Runs, net, family)) {
            return Ok(None);
        }
        let ends = key::read_address(&key[key::PREFIX..]).zip(key::read_address(value));
        let run = ends.and_then(|(first, last)| IpRange::new(first, last));
        run.map(Some).ok_or_else(|| self.broken("a run of used addresses"))
    }

    /// The resting address within the ranges that was freed first.
    pub(super) fn longest_resting(
        &self,
        net: NetworkId,
        within: &[IpRange],
    ) -> Result<Option<(IpAddr, u64)>, StoreError> {
        let mut longest = None;
        self.scan(&key::prefix(Table::RestOrder, net), |key, _| {
            let (freed_at, address) = self.rest(key)?;
            let at_or_below = within.partition_point(|range| range.first() <= address);
            let is_inside = at_or_below.checked_sub(1).is_some_and(|index| within[index].contains(address));
            if is_inside && self.reservation(net, address)?.is_none() {
                longest = Some((address, freed_at));
            }
            Ok(longest.is_none())
        })?;
        Ok(longest)
    }

    pub(super) fn resting_count(&self, net: NetworkId, within: IpRange) -> Result<u64, StoreError> {
        let first = key::by_address(Table::Resting, net, within.first());
        let last = key::by_address(Table::Resting, net, within.last());
        let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        let mut count = 0;
        for entry in self.tree.range(self.txn, &range).map_err(|error| self.fault(error))? {
            entry.map_err(|error| self.fault(error))?;
            count += 1;
        }
        Ok(count)
    }

    /// Resting addresses with a time in the range, the oldest first, at most `most`.
    pub(super) fn resting_between(
        &self,
        net: NetworkId,
        times: (u64, u64),
        most: usize,
    ) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        let mut from = key::prefix(Table::RestOrder, net);
        from.extend_from_slice(&times.0.to_be_bytes());
        let to = key::rest_order_end(net, times.1);
        let range = (Bound::Included(from.as_slice()), Bound::Included(to.as_slice()));
        let entries = self.tree.range(self.txn, &range).map_err(|error| self.fault(error))?;
        entries
            .take(most)
            .map(|entry| {
                let (freed_at, address) = self.rest(entry.map_err(|error| self.fault(error))?.0)?;
                Ok((address, freed_at))
            })
            .collect()
    }

    /// When the address that was freed last was freed.
    pub(super) fn last_freed(&self, net: NetworkId) -> Result<Option<u64>, StoreError> {
        let end = key::rest_order_end(net, u64::MAX);
        let found = self.tree.get_lower_than(self.txn, &end).map_err(|error| self.fault(error))?;
        match found {
            Some((key, _)) if key.starts_with(&key::prefix(Table::RestOrder, net)) => Ok(Some(self.rest(key)?.0)),
            _ => Ok(None),
        }
    }

    pub(super) fn note(&self, net: NetworkId, key: &str) -> Result<Option<&'t [u8]>, StoreError> {
        self.get(&key::note(net, key))
    }

    pub(super) fn is_adopted(&self, net: NetworkId) -> Result<bool, StoreError> {
        Ok(self.get(&key::adoption(net))?.is_some())
    }

    pub(super) fn adoption(&self, net: NetworkId) -> Result<Option<Adoption>, StoreError> {
        let Some(bytes) = self.get(&key::adoption(net))? else { return Ok(None) };
        serde_json::from_slice(bytes).map(Some).map_err(|_| self.broken("an adoption"))
    }

    pub(super) fn cluster_state(&self, net: NetworkId) -> Result<Option<&'t [u8]>, StoreError> {
        self.get(&key::prefix(Table::ClusterState, net))
    }

    pub(super) fn note_keys(
        &self,
        net: NetworkId,
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let prefix = key::note(net, prefix);
        let after = after.map(|after| key::note(net, after));
        let from = match &after {
            Some(after) if *after >= prefix => Bound::Excluded(after.as_slice()),
            _ => Bound::Included(prefix.as_slice()),
        };
        let mut keys = Vec::new();
        for entry in self.tree.range(self.txn, &(from, Bound::Unbounded)).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            if !key.starts_with(&prefix) || keys.len() >= most {
                break;
            }
            let key = std::str::from_utf8(&key[key::PREFIX..]).map_err(|_| self.broken("a note"))?;
            keys.push(key.to_owned());
        }
        Ok(keys)
    }

    /// Shows every entry whose key starts with the prefix, in order, until told to stop.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        mut see: impl FnMut(&'t [u8], &'t [u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        for entry in self.tree.prefix_iter(self.txn, prefix).map_err(|error| self.fault(error))? {
            let (key, value) = entry.map_err(|error| self.fault(error))?;
            if !see(key, value)? {
                break;
            }
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<&'t [u8]>, StoreError> {
        self.tree.get(self.txn, key).map_err(|error| self.fault(error))
    }

    fn record(&self, bytes: &[u8]) -> Result<AttachmentRecord, StoreError> {
        self.json(bytes)
    }

    fn json<'b, T: Deserialize<'b>>(&self, bytes: &'b [u8]) -> Result<T, StoreError> {
        serde_json::from_slice(bytes)
            .map_err(|error| StoreError::damaged(self.path, format!("an attachment cannot be read ({error})")))
    }

    fn rest(&self, key: &[u8]) -> Result<(u64, IpAddr), StoreError> {
        key::read_rest_order(key).ok_or_else(|| self.broken("a resting address"))
    }

    pub(super) fn time(&self, bytes: &[u8]) -> Result<u64, StoreError> {
        Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| self.broken("a time"))?))
    }

    pub(super) fn broken(&self, what: &str) -> StoreError {
        StoreError::damaged(self.path, format!("{what} cannot be read"))
    }

    fn fault(&self, error: heed::Error) -> StoreError {
        StoreError::lmdb("read the lease store", self.path, error)
    }
}
