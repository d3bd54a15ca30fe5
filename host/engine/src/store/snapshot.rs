//! Queries about one network, in a transaction.

mod cooling;
mod leases;
mod reservations;
mod runs;

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Bound;
use std::path::Path;

use heed::RoTxn;
use serde::Deserialize;

use super::environment::Tree;
use super::key::{self, NetworkId, Table};
use super::{Environment, StoreError};
use crate::address::IpRange;
use crate::attachment::AttachmentKey;
use crate::ledger::AttachmentRecord;
use crate::reference_leases::Adoption;

/// What is kept of a network besides its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) id: NetworkId,
    pub(super) attachments: u64,
    /// Bytes of the policy state's keys and values.
    pub(super) state_size: u64,
    pub(super) reservations: u64,
}

impl Network {
    pub(super) fn unseen(id: NetworkId) -> Self {
        Self { id, attachments: 0, state_size: 0, reservations: 0 }
    }

    pub(super) fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        bytes[..4].copy_from_slice(&self.id.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.attachments.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.state_size.to_be_bytes());
        bytes[20..].copy_from_slice(&self.reservations.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (attachments, rest) = rest.split_first_chunk()?;
        let (state_size, rest) = rest.split_first_chunk()?;
        // Schema 1 has no reservations.
        let reservations = rest.first_chunk().copied().unwrap_or_default();
        Some(Self {
            id: NetworkId::from_be_bytes(*id),
            attachments: u64::from_be_bytes(*attachments),
            state_size: u64::from_be_bytes(*state_size),
            reservations: u64::from_be_bytes(reservations),
        })
    }
}

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

    pub(super) fn transaction(&self) -> u64 {
        self.txn.id() as u64
    }

    pub(super) fn network(&self, name: &str) -> Result<Option<Network>, StoreError> {
        self.get(&key::network(name))?
            .map(|bytes| Network::read(bytes).ok_or_else(|| self.broken("a network")))
            .transpose()
    }

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

    /// Shows the entries of a table by address within a range, in order, until `see` returns false.
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

    /// A value of a table by text.
    pub(super) fn value(&self, table: Table, net: NetworkId, key: &str) -> Result<Option<&'t [u8]>, StoreError> {
        self.get(&key::by_text(table, net, key))
    }

    pub(super) fn is_adopted(&self, net: NetworkId) -> Result<bool, StoreError> {
        Ok(self.get(&key::adoption(net))?.is_some())
    }

    pub(super) fn adoption(&self, net: NetworkId) -> Result<Option<Adoption>, StoreError> {
        let Some(bytes) = self.get(&key::adoption(net))? else { return Ok(None) };
        serde_json::from_slice(bytes).map(Some).map_err(|_| self.broken("an adoption"))
    }

    pub(super) fn last_allocated(&self, net: NetworkId) -> Result<Vec<(u32, IpAddr)>, StoreError> {
        let mut last = Vec::new();
        self.scan(&key::prefix(Table::LastAllocated, net), |key, address| {
            let pool = key[key::PREFIX..].try_into().ok().map(u32::from_be_bytes);
            let entry = pool.zip(key::read_address(address));
            last.push(entry.ok_or_else(|| self.broken("the address allocated last"))?);
            Ok(true)
        })?;
        Ok(last)
    }

    pub(super) fn cluster_state(&self, net: NetworkId) -> Result<Option<&'t [u8]>, StoreError> {
        self.get(&key::prefix(Table::ClusterState, net))
    }

    pub(super) fn keys(
        &self,
        (table, net): (Table, NetworkId),
        prefix: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let prefix = key::by_text(table, net, prefix);
        let after = after.map(|after| key::by_text(table, net, after));
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
            let key = std::str::from_utf8(&key[key::PREFIX..]).map_err(|_| self.broken("a key of a policy's state"))?;
            keys.push(key.to_owned());
        }
        Ok(keys)
    }

    /// Shows every entry whose key starts with the prefix, in order, until `see` returns false.
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

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<&'t [u8]>, StoreError> {
        self.tree.get(self.txn, key).map_err(|error| self.fault(error))
    }

    fn record(&self, bytes: &[u8]) -> Result<AttachmentRecord, StoreError> {
        self.json(bytes)
    }

    fn json<'b, T: Deserialize<'b>>(&self, bytes: &'b [u8]) -> Result<T, StoreError> {
        serde_json::from_slice(bytes)
            .map_err(|error| StoreError::damaged(self.path, format!("an attachment cannot be read ({error})")))
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
