//! A store in memory, for tests of policies: the same ledger as the durable one of [`crate::store`], without a disk.
//!
//! Written apart from it on purpose, with other data structures, so that each checks the other.

mod book;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::address::{Family, IpRange, successor};
use crate::attachment::{AttachmentKey, FormerHolder};
use crate::ledger::{AttachmentRecord, Cooling, Ledger, LedgerQueries, Masquerade, Reservation};
use crate::store::key;
use crate::store_error::StoreError;
use book::{Book, take};

/// Networks in memory. Clones are handles on the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    networks: Arc<Mutex<BTreeMap<String, Book>>>,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    /// One network's ledger, with what was committed so far. The store itself changes when the ledger is committed.
    ///
    /// There is no lock as in the durable store: of two ledgers of one network that are open at the same time, the one that is
    /// committed last is refused.
    pub fn ledger(&self, network: &str) -> MemoryLedger {
        let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let book = networks.get(network).cloned().unwrap_or_default();
        MemoryLedger { store: self.clone(), network: network.to_owned(), book }
    }

    /// A store of its own with the same content: what happens in one is not seen in the other.
    #[must_use]
    pub fn copy(&self) -> Self {
        let networks = self.networks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { networks: Arc::new(Mutex::new(networks)) }
    }

    /// The networks that were ever committed to, by name.
    pub fn networks(&self) -> Vec<String> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// One network of a [`MemoryStore`], in a transaction of its own. A clone is a branch of the transaction.
#[derive(Debug, Clone)]
pub struct MemoryLedger {
    store: MemoryStore,
    network: String,
    book: Book,
}

impl LedgerQueries for MemoryLedger {
    /// Networks in memory know nothing of each other.
    fn held_by_others(&self, _: &[IpRange], _: Option<&str>) -> Result<Vec<(IpAddr, String)>, StoreError> {
        Ok(Vec::new())
    }

    fn attachment(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError> {
        Ok(self.book.attachments.get(key).cloned())
    }

    fn holder(&self, address: IpAddr) -> Result<Option<AttachmentKey>, StoreError> {
        Ok(self.book.leases.get(&address).cloned())
    }

    fn cooling_since(&self, address: IpAddr) -> Result<Option<u64>, StoreError> {
        Ok(self.book.cooling.get(&address).copied())
    }

    fn last_holder(&self, address: IpAddr) -> Result<Option<(FormerHolder, u64)>, StoreError> {
        let since = self.book.cooling.get(&address).copied();
        Ok(self.book.last_holders.get(&address).cloned().zip(since))
    }

    fn leases_within(&self, within: IpRange, most: usize) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError> {
        let leases = self.book.leases.range(within.first()..=within.last()).take(most);
        Ok(leases.map(|(address, key)| (*address, key.clone())).collect())
    }

    fn leases_of_namespace(
        &self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError> {
        Ok(self.book.of_namespace(namespace, after).take(most).collect())
    }

    fn lease_count_of_namespace(&self, namespace: &str) -> Result<u64, StoreError> {
        Ok(self.book.of_namespace(namespace, None).count() as u64)
    }

    fn reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        Ok(self.book.reservations(|reservation| reservation.address == address).pop())
    }

    fn reservations_of(&self, key: &str) -> Result<Vec<Reservation>, StoreError> {
        Ok(self.book.reservations(|reservation| reservation.key == key))
    }

    fn reservations_within(&self, within: IpRange) -> Result<Vec<Reservation>, StoreError> {
        Ok(self.book.reservations(|reservation| within.contains(reservation.address)))
    }

    fn reservation_count(&self) -> Result<u64, StoreError> {
        Ok(self.book.reservations.size() as u64)
    }

    fn next_unused(&self, within: IpRange) -> Result<Option<IpAddr>, StoreError> {
        let first = within.first();
        let run = self.book.run_at_or_below(first).filter(|run| run.contains(first));
        let unused = run.map_or(Some(first), |run| successor(run.last()));
        Ok(unused.filter(|address| within.contains(*address)))
    }

    fn next_used_run(&self, from: IpAddr) -> Result<Option<IpRange>, StoreError> {
        if let Some(run) = self.book.run_at_or_below(from).filter(|run| run.contains(from)) {
            return Ok(Some(run));
        }
        let above = self.book.runs.range(from..).next();
        let above = above.and_then(|(first, last)| IpRange::new(*first, *last));
        Ok(above.filter(|run| run.family() == Family::of(from)))
    }

    fn longest_cooling(&self, within: &[IpRange]) -> Result<Option<(IpAddr, u64)>, StoreError> {
        let inside = |address: IpAddr| within.iter().any(|range| range.contains(address));
        Ok(self
            .book
            .cooling_order
            .iter()
            .find(|(_, address)| inside(*address) && !self.book.reservations.contains_key(address))
            .map(|(freed_at, address)| (*address, *freed_at)))
    }

    fn cooling_count(&self, within: IpRange) -> Result<u64, StoreError> {
        Ok(self.book.cooling.range(within.first()..=within.last()).count() as u64)
    }

    fn freed_until(&self, time: u64) -> Result<Vec<IpAddr>, StoreError> {
        let until = self.book.cooling_order.iter().take_while(|(freed_at, _)| *freed_at <= time);
        Ok(until.map(|(_, address)| *address).collect())
    }

    fn attachments(&self) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError> {
        Ok(self.book.attachments.iter().map(|(key, record)| (key.clone(), record.clone())).collect())
    }

    fn attachment_count(&self) -> Result<u64, StoreError> {
        Ok(self.book.attachments.size() as u64)
    }

    fn state_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.book.state.get(key).cloned())
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        let keys = self.book.state.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(most).cloned().collect())
    }

    fn shadow_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.book.shadow.get(key).cloned())
    }

    fn shadow_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        let keys = self.book.shadow.keys().filter(|key| key.starts_with(prefix));
        Ok(keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(most).cloned().collect())
    }

    fn state_size(&self) -> Result<u64, StoreError> {
        Ok(self.book.state.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }

    fn last_allocated(&self) -> Result<Vec<(u32, IpAddr)>, StoreError> {
        Ok(self.book.last_allocated.iter().map(|(pool, address)| (*pool, *address)).collect())
    }

    fn cluster_state(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.book.cluster_state.clone())
    }
}

impl Ledger for MemoryLedger {
    fn end_cooldowns(&mut self, before: u64, most: usize) -> Result<usize, StoreError> {
        let due = self.book.cooling_order.iter().take_while(|(freed_at, _)| *freed_at <= before).take(most);
        let over: Vec<IpAddr> = due.map(|(_, address)| *address).collect();
        for address in &over {
            self.book.end_cooldown(*address);
            self.book.unuse_if_free(*address);
        }
        Ok(over.len())
    }

    fn attach(&mut self, key: &AttachmentKey, record: &AttachmentRecord) -> Result<(), StoreError> {
        key::check_attachment(key)?;
        if self.book.attachments.contains_key(key) {
            return Err(StoreError::Conflict {
                what: format!("the attachment {} {}", key.container_id, key.interface),
            });
        }
        for address in &record.addresses {
            if self.book.leases.contains_key(address) {
                return Err(StoreError::Conflict { what: format!("the lease of {address}") });
            }
            self.book.lease(*address, key, &record.pod);
            self.book.end_cooldown(*address);
            self.book.use_address(*address);
        }
        self.book.attachments.insert_mut(key.clone(), record.clone());
        Ok(())
    }

    fn detach(&mut self, key: &AttachmentKey, now: u64) -> Result<Option<AttachmentRecord>, StoreError> {
        let Some(record) = take(&mut self.book.attachments, key) else { return Ok(None) };
        for address in &record.addresses {
            self.book.end_lease(*address, &record.pod);
            self.book.cool(*address, now);
            let holder = FormerHolder { key: key.clone(), pod: record.pod.clone() };
            self.book.last_holders.insert_mut(*address, holder);
        }
        Ok(Some(record))
    }

    fn reserve(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        key::check_reservation(&reservation.key)?;
        let Reservation { address, key, until } = reservation.clone();
        self.book.reservations.insert_mut(address, (key, until));
        self.book.use_address(address);
        Ok(())
    }

    fn end_reservation(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        let was_reserved = self.book.reservations.remove_mut(&address);
        if was_reserved {
            self.book.unuse_if_free(address);
        }
        Ok(was_reserved)
    }

    fn end_reservations(&mut self, now: u64, most: usize) -> Result<usize, StoreError> {
        let mut over = self.book.reservations(|reservation| reservation.until <= now);
        over.sort_by_key(|reservation| (reservation.until, reservation.address));
        over.truncate(most);
        for reservation in &over {
            self.end_reservation(reservation.address)?;
        }
        Ok(over.len())
    }

    fn put_masquerade(&mut self, key: &AttachmentKey, masquerade: &Masquerade) -> Result<bool, StoreError> {
        let record = self.book.attachments.get_mut(key);
        Ok(record.map(|record| record.masquerade = Some(masquerade.clone())).is_some())
    }

    fn withdraw(&mut self, key: &AttachmentKey, cooling: &[Cooling]) -> Result<Option<AttachmentRecord>, StoreError> {
        let Some(record) = take(&mut self.book.attachments, key) else { return Ok(None) };
        for address in &record.addresses {
            self.book.end_lease(*address, &record.pod);
            let Some(cools) = Cooling::find(cooling, *address) else {
                self.book.unuse_if_free(*address);
                continue;
            };
            self.book.cool(*address, cools.since);
            if let Some(holder) = cools.last_holder.clone() {
                self.book.last_holders.insert_mut(*address, holder);
            }
        }
        Ok(Some(record))
    }

    fn put_state(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        key::check_state_key(key)?;
        match value {
            Some(value) => self.book.state.insert_mut(key.to_owned(), value.to_vec()),
            None => {
                self.book.state.remove_mut(key);
            }
        }
        Ok(())
    }

    fn put_shadow_value(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        key::check_state_key(key)?;
        match value {
            Some(value) => self.book.shadow.insert(key.to_owned(), value.to_vec()),
            None => self.book.shadow.remove(key),
        };
        Ok(())
    }

    fn put_last_allocated(&mut self, pool: u32, address: IpAddr) -> Result<(), StoreError> {
        self.book.last_allocated.insert_mut(pool, address);
        Ok(())
    }

    fn put_cluster_state(&mut self, state: &[u8]) -> Result<(), StoreError> {
        self.book.cluster_state = Some(state.to_vec());
        Ok(())
    }

    fn commit(mut self) -> Result<(), StoreError> {
        let mut networks = self.store.networks.lock().unwrap_or_else(PoisonError::into_inner);
        let current = networks.get(&self.network).map_or(0, |book| book.edition);
        if current != self.book.edition {
            return Err(StoreError::Conflict { what: format!("another change of the network {}", self.network) });
        }
        self.book.edition += 1;
        networks.insert(self.network, self.book);
        Ok(())
    }
}
