//! Changes to one network, inside a write transaction. Every table that says the same thing is changed here, together.

use std::net::IpAddr;

use heed::{PutFlags, RwTxn};
use serde::Serialize;

use super::environment::Tree;
use super::key::{self, NetworkId, Table};
use super::snapshot::{Network, Snapshot};
use super::{Environment, StoreError};
use crate::address::{IpRange, predecessor, successor};
use crate::attachment::{AttachmentKey, FormerHolder};
use crate::ledger::{AttachmentRecord, Masquerade, Reservation};
use crate::reference_leases::Adoption;

/// A write transaction and the network it changes.
pub(super) struct Writer<'w, 'e> {
    pub(super) environment: &'e Environment,
    pub(super) txn: &'w mut RwTxn<'e>,
    pub(super) network: &'w mut Network,
    /// Set as soon as anything in the store is another than before.
    pub(super) changed: &'w mut bool,
}

impl Writer<'_, '_> {
    pub(super) fn attach(&mut self, key: &AttachmentKey, record: &AttachmentRecord) -> Result<(), StoreError> {
        key::check_attachment(key)?;
        let owner = key::owner(key);
        for address in &record.addresses {
            let lease = key::by_address(Table::Leases, self.id(), *address);
            self.put_new(&lease, &owner, || format!("the lease of {address}"))?;
            if !self.end_cooldown(*address)? {
                self.use_address(*address)?;
            }
        }
        let json = self.json(record)?;
        let attachment = key::attachment(self.id(), &owner);
        self.put_new(&attachment, &json, || format!("the attachment {} {}", key.container_id, key.interface))?;
        self.index(record, true)?;
        self.network.attachments += 1;
        Ok(())
    }

    pub(super) fn put_masquerade(&mut self, key: &AttachmentKey, masquerade: &Masquerade) -> Result<bool, StoreError> {
        let owner = key::owner(key);
        let Some(record) = self.snapshot().attachment(self.id(), &owner)? else { return Ok(false) };
        let json = self.json(&AttachmentRecord { masquerade: Some(masquerade.clone()), ..record })?;
        self.put(&key::attachment(self.id(), &owner), &json)?;
        Ok(true)
    }

    pub(super) fn json(&self, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(value).map_err(|error| StoreError::Io {
            operation: "record an attachment in",
            path: self.environment.path().into(),
            source: error.into(),
        })
    }

    /// Forgets an attachment. An address cools as `freed` says, or is free immediately.
    pub(super) fn detach(
        &mut self,
        key: &AttachmentKey,
        freed: impl Fn(IpAddr, &FormerHolder) -> Option<(u64, Option<FormerHolder>)>,
    ) -> Result<Option<AttachmentRecord>, StoreError> {
        let owner = key::owner(key);
        if key::check_attachment(key).is_err() {
            // What is too long to be recorded was not recorded.
            return Ok(None);
        }
        let Some(record) = self.snapshot().attachment(self.id(), &owner)? else { return Ok(None) };
        let holder = FormerHolder { key: key.clone(), pod: record.pod.clone() };
        for address in &record.addresses {
            self.delete(&key::by_address(Table::Leases, self.id(), *address))?;
            match freed(*address, &holder) {
                Some((since, holder)) => self.cool(*address, since, holder.as_ref())?,
                None => self.unuse_if_free(*address)?,
            }
        }
        self.delete(&key::attachment(self.id(), &owner))?;
        self.index(&record, false)?;
        self.network.attachments = self.network.attachments.saturating_sub(1);
        Ok(Some(record))
    }

    /// Frees addresses that cool since `before` or longer: at most `most`, the oldest first.
    pub(super) fn end_cooldowns(&mut self, before: u64, most: usize) -> Result<usize, StoreError> {
        let over = self.snapshot().cooling_between(self.id(), (0, before), most)?;
        for (address, _) in &over {
            self.end_cooldown(*address)?;
            self.unuse_if_free(*address)?;
        }
        Ok(over.len())
    }

    /// Adds an attachment's addresses to its namespace's, or takes them out.
    pub(super) fn index(&mut self, record: &AttachmentRecord, is_there: bool) -> Result<(), StoreError> {
        let Some(namespace) = record.pod.namespace.as_deref() else { return Ok(()) };
        let Some(counter) = key::namespace(self.id(), namespace) else { return Ok(()) };
        let before = self.snapshot().lease_count_of_namespace(self.id(), namespace)?;
        for address in &record.addresses {
            let entry = key::with_address(counter.clone(), *address);
            if is_there { self.put(&entry, &[])? } else { self.delete(&entry)? }
        }
        let changed = record.addresses.len() as u64;
        match if is_there { before + changed } else { before.saturating_sub(changed) } {
            0 => self.delete(&counter),
            count => self.put(&counter, &count.to_be_bytes()),
        }
    }

    pub(super) fn reserve(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        let Reservation { address, key, until } = reservation;
        key::check_reservation(key)?;
        self.end_reservation(*address)?;
        let value = [&until.to_be_bytes()[..], key.as_bytes()].concat();
        self.put(&key::by_address(Table::Reservations, self.id(), *address), &value)?;
        self.put(&key::reservation_key(self.id(), key, *address), &[])?;
        self.put(&key::reservation_end(self.id(), *until, *address), &[])?;
        self.network.reservations += 1;
        self.use_address(*address)
    }

    pub(super) fn end_reservation(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        let Some(Reservation { key, until, .. }) = self.snapshot().reservation(self.id(), address)? else {
            return Ok(false);
        };
        self.delete(&key::by_address(Table::Reservations, self.id(), address))?;
        self.delete(&key::reservation_key(self.id(), &key, address))?;
        self.delete(&key::reservation_end(self.id(), until, address))?;
        self.network.reservations = self.network.reservations.saturating_sub(1);
        self.unuse_if_free(address)?;
        Ok(true)
    }

    /// Ends reservations whose time is over: at most `most`, the earliest first.
    pub(super) fn end_reservations(&mut self, now: u64, most: usize) -> Result<usize, StoreError> {
        let over = self.snapshot().reservations_over(self.id(), now, most)?;
        for address in &over {
            self.end_reservation(*address)?;
        }
        Ok(over.len())
    }

    /// Begins the cooldown of an address that has no holder. It counts as used.
    pub(super) fn cool(
        &mut self,
        address: IpAddr,
        freed_at: u64,
        holder: Option<&FormerHolder>,
    ) -> Result<(), StoreError> {
        self.end_cooldown(address)?;
        let mut value = freed_at.to_be_bytes().to_vec();
        if let Some(holder) = holder {
            value.append(&mut self.json(holder)?);
        }
        self.put(&key::by_address(Table::Cooling, self.id(), address), &value)?;
        self.put(&key::cooling_order(self.id(), freed_at, address), &[])?;
        self.use_address(address)
    }

    /// Addresses freed in what is now the future, because the clock was set back, cool from now on.
    pub(super) fn bring_cooling_to(&mut self, now: u64, later_than: u64) -> Result<(), StoreError> {
        for (address, _) in self.snapshot().cooling_between(self.id(), (later_than, u64::MAX), usize::MAX)? {
            let holder = self.snapshot().last_holder(self.id(), address)?.map(|(holder, _)| holder);
            self.cool(address, now, holder.as_ref())?;
        }
        Ok(())
    }

    pub(super) fn put_state(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        key::check_state_key(key)?;
        let size = |value: &[u8]| (key.len() + value.len()) as u64;
        let before = self.snapshot().value(Table::State, self.id(), key)?.map_or(0, size);
        let place = key::by_text(Table::State, self.id(), key);
        match value {
            Some(value) => self.put(&place, value)?,
            None => self.delete(&place)?,
        }
        self.network.state_size = self.network.state_size.saturating_sub(before) + value.map_or(0, size);
        Ok(())
    }

    pub(super) fn put_shadow_value(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        key::check_state_key(key)?;
        let place = key::by_text(Table::Shadow, self.id(), key);
        match value {
            Some(value) => self.put(&place, value),
            None => self.delete(&place),
        }
    }

    pub(super) fn put_adoption(&mut self, adoption: Option<&Adoption>) -> Result<(), StoreError> {
        let place = key::adoption(self.id());
        let Some(adoption) = adoption else { return self.delete(&place) };
        let json = serde_json::to_vec(adoption).map_err(|error| StoreError::Io {
            operation: "record an adoption in",
            path: self.environment.path().into(),
            source: error.into(),
        })?;
        self.put(&place, &json)
    }

    pub(super) fn put_last_allocated(&mut self, pool: u32, address: IpAddr) -> Result<(), StoreError> {
        self.put(&key::last_allocated(self.id(), pool), &key::address(address))
    }

    pub(super) fn put_cluster_state(&mut self, state: &[u8]) -> Result<(), StoreError> {
        self.put(&key::prefix(Table::ClusterState, self.id()), state)
    }

    /// Writes what is kept of the network itself.
    pub(super) fn put_network(&mut self, name: &str) -> Result<(), StoreError> {
        let record = self.network.to_bytes();
        self.put(&key::network(name), &record)?;
        if self.snapshot().next_network()? <= self.id() {
            self.put(key::NEXT_NETWORK, &(self.id() + 1).to_be_bytes())?;
        }
        Ok(())
    }

    /// Ends the cooldown of an address and leaves it used. Returns whether it was cooling.
    fn end_cooldown(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        let Some(freed_at) = self.snapshot().cooling_since(self.id(), address)? else { return Ok(false) };
        self.delete(&key::by_address(Table::Cooling, self.id(), address))?;
        self.delete(&key::cooling_order(self.id(), freed_at, address))?;
        Ok(true)
    }

    /// Adds an address to the used runs, and joins the runs it touches.
    fn use_address(&mut self, address: IpAddr) -> Result<(), StoreError> {
        let below = self.snapshot().run_at_or_below(self.id(), address)?;
        if below.is_some_and(|run| run.contains(address)) {
            return Ok(());
        }
        let next = successor(address);
        let above = match next {
            Some(next) => self.snapshot().run_at_or_above(self.id(), next)?.filter(|run| run.first() == next),
            None => None,
        };
        if let Some(above) = above {
            self.delete(&key::by_address(Table::Runs, self.id(), above.first()))?;
        }
        let touching = below.filter(|run| successor(run.last()) == Some(address));
        let first = touching.map_or(address, |run| run.first());
        self.put_run(first, above.map_or(address, |run| run.last()))
    }

    /// Takes an address out of the used runs, unless it is leased, cooling or reserved.
    fn unuse_if_free(&mut self, address: IpAddr) -> Result<(), StoreError> {
        let (id, snapshot) = (self.id(), self.snapshot());
        let is_used = snapshot.holder(id, address)?.is_some()
            || snapshot.cooling_since(id, address)?.is_some()
            || snapshot.reservation(id, address)?.is_some();
        if is_used { Ok(()) } else { self.unuse_address(address) }
    }

    /// Takes an address out of the used runs, and splits the run it is in.
    fn unuse_address(&mut self, address: IpAddr) -> Result<(), StoreError> {
        let Some(run) = self.snapshot().run_at_or_below(self.id(), address)?.filter(|run| run.contains(address)) else {
            return Ok(());
        };
        self.delete(&key::by_address(Table::Runs, self.id(), run.first()))?;
        let below = predecessor(address).and_then(|last| IpRange::new(run.first(), last));
        let above = successor(address).and_then(|first| IpRange::new(first, run.last()));
        for part in below.into_iter().chain(above) {
            self.put_run(part.first(), part.last())?;
        }
        Ok(())
    }

    fn put_run(&mut self, first: IpAddr, last: IpAddr) -> Result<(), StoreError> {
        self.put(&key::by_address(Table::Runs, self.id(), first), &key::address(last))
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        *self.changed = true;
        self.tree().put(self.txn, key, value).map_err(|error| self.fault(error))
    }

    fn put_new(&mut self, key: &[u8], value: &[u8], what: impl FnOnce() -> String) -> Result<(), StoreError> {
        *self.changed = true;
        match self.tree().put_with_flags(self.txn, PutFlags::NO_OVERWRITE, key, value) {
            Err(heed::Error::Mdb(heed::MdbError::KeyExist)) => Err(StoreError::Conflict { what: what() }),
            done => done.map_err(|error| self.fault(error)),
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> Result<(), StoreError> {
        *self.changed |= self.tree().delete(self.txn, key).map_err(|error| self.fault(error))?;
        Ok(())
    }

    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::new(self.environment, self.txn)
    }

    pub(super) fn id(&self) -> NetworkId {
        self.network.id
    }

    fn tree(&self) -> Tree {
        self.environment.tree()
    }

    fn fault(&self, error: heed::Error) -> StoreError {
        StoreError::lmdb("change the lease store", self.environment.path(), error)
    }
}
