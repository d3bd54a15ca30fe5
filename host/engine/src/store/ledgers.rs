//! The ledger of one network in the durable store: for writing, and for reading beside other readers.

use std::net::IpAddr;
use std::sync::Arc;

use heed::{RoTxn, RwTxn, WithoutTls};
use self_cell::self_cell;

use super::environment::Durability;
use super::key::{self, NetworkId, Table};
use super::snapshot::{Network, Snapshot};
use super::writer::Writer;
use super::{Environment, StoreError};
use crate::address::IpRange;
use crate::attachment::{AttachmentKey, FormerHolder};
use crate::ledger::{AttachmentRecord, Cooling, Ledger, LedgerQueries, Masquerade, Reservation};
use crate::policy_counters::RequestEnd;
use crate::reference_leases::Adoption;

type OpenTxn<'e> = Option<RwTxn<'e>>;

self_cell!(
    /// A write transaction and the environment it is open in. The transaction is there until it is committed.
    struct Writing {
        owner: Environment,
        #[covariant]
        dependent: OpenTxn,
    }
);

/// One network, inside the store's one write transaction. Nobody else can open the store until this is committed or
/// dropped; dropped, or killed, it has changed nothing.
pub struct StoreLedger {
    writing: Writing,
    name: String,
    network: Network,
    changed: bool,
    /// Of what must not be undone by a loss of power; see [`Ledger::commit`] below.
    durability: Durability,
}

/// How far in the future a time may lie before the clock is taken to have been set back. Covers waiting for the lock.
const CLOCK_SLACK: u64 = 60_000;

impl StoreLedger {
    pub(super) fn open(environment: Environment, name: &str, now: u64) -> Result<Self, StoreError> {
        key::check_network(name)?;
        let writing = Writing::try_new(environment, |environment| environment.write().map(Some))?;
        let mut ledger = Self {
            writing,
            name: name.to_owned(),
            network: Network::unseen(0),
            changed: false,
            durability: Durability::LastMayBeUndone,
        };
        ledger.network = match ledger.snapshot()?.network(name)? {
            Some(network) => network,
            None => Network::unseen(ledger.snapshot()?.next_network()?),
        };
        let latest = now.saturating_add(CLOCK_SLACK);
        if ledger.snapshot()?.last_freed(ledger.network.id)?.is_some_and(|freed_at| freed_at > latest) {
            ledger.change(|writer| writer.bring_cooling_to(now, latest))?;
        }
        Ok(ledger)
    }

    /// Whether the reference's leases of this network were adopted in this boot. Costs one look into the store.
    pub fn is_adopted(&self) -> Result<bool, StoreError> {
        self.snapshot()?.is_adopted(self.network.id)
    }

    /// The number of this transaction: that of the next one as well if this one is not committed. It starts again with a
    /// boot.
    pub fn transaction(&self) -> Result<u64, StoreError> {
        Ok(self.snapshot()?.transaction())
    }

    /// Cooling addresses, the oldest first, at most `most`.
    pub fn cooling(&self, most: usize) -> Result<Vec<Cooling>, StoreError> {
        let snapshot = self.snapshot()?;
        let cooling = snapshot.cooling_between(self.id(), (0, u64::MAX), most)?;
        let with_holder = |(address, since)| {
            let last_holder = snapshot.last_holder(self.id(), address)?.map(|(holder, _)| holder);
            Ok(Cooling { address, since, last_holder })
        };
        cooling.into_iter().map(with_holder).collect()
    }

    /// Which of the reference's directories were adopted, if that is done.
    pub fn adoption(&self) -> Result<Option<Adoption>, StoreError> {
        self.snapshot()?.adoption(self.network.id)
    }

    /// Records that the reference's leases are adopted, or (`None`) that they are the reference's again.
    pub fn put_adoption(&mut self, adoption: Option<&Adoption>) -> Result<(), StoreError> {
        self.durability = Durability::Whole;
        self.change(|writer| writer.put_adoption(adoption))
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Writer) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let network = &mut self.network;
        let changed = &mut self.changed;
        self.writing.with_dependent_mut(|environment, txn| {
            let txn = txn.as_mut().ok_or(StoreError::Lost)?;
            change(&mut Writer { environment, txn, network, changed })
        })
    }
}

impl Ledger for StoreLedger {
    fn end_cooldowns(&mut self, before: u64, most: usize) -> Result<usize, StoreError> {
        self.change(|writer| writer.end_cooldowns(before, most))
    }

    fn attach(&mut self, key: &AttachmentKey, record: &AttachmentRecord) -> Result<(), StoreError> {
        self.change(|writer| writer.attach(key, record))
    }

    fn detach(&mut self, key: &AttachmentKey, now: u64) -> Result<Option<AttachmentRecord>, StoreError> {
        self.change(|writer| writer.detach(key, |_, holder| Some((now, Some(holder.clone())))))
    }

    fn withdraw(&mut self, key: &AttachmentKey, cooling: &[Cooling]) -> Result<Option<AttachmentRecord>, StoreError> {
        self.change(|writer| {
            writer.detach(key, |address, _| {
                Cooling::find(cooling, address).map(|cools| (cools.since, cools.last_holder.clone()))
            })
        })
    }

    fn reserve(&mut self, reservation: &Reservation) -> Result<(), StoreError> {
        self.change(|writer| writer.reserve(reservation))
    }

    fn end_reservation(&mut self, address: IpAddr) -> Result<bool, StoreError> {
        self.change(|writer| writer.end_reservation(address))
    }

    fn end_reservations(&mut self, now: u64, most: usize) -> Result<usize, StoreError> {
        self.change(|writer| writer.end_reservations(now, most))
    }

    fn put_masquerade(&mut self, key: &AttachmentKey, masquerade: &Masquerade) -> Result<bool, StoreError> {
        self.change(|writer| writer.put_masquerade(key, masquerade))
    }

    fn put_state(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.change(|writer| writer.put_state(key, value))
    }

    fn put_shadow_value(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), StoreError> {
        self.change(|writer| writer.put_shadow_value(key, value))
    }

    fn put_last_allocated(&mut self, pool: u32, address: IpAddr) -> Result<(), StoreError> {
        self.change(|writer| writer.put_last_allocated(pool, address))
    }

    fn count_for_policy(&mut self, policy: &str, end: RequestEnd, now: u64) -> Result<(), StoreError> {
        self.change(|writer| writer.count_for_policy(policy, end, now))
    }

    fn put_cluster_state(&mut self, state: &[u8]) -> Result<(), StoreError> {
        // What this node says in the cluster's store after this commit must be what its disk says after a loss of power: a
        // block it claimed and forgot would stay unused, and one it released and remembered would have two owners.
        self.durability = Durability::Whole;
        self.change(|writer| writer.put_cluster_state(state))
    }

    fn commit(mut self) -> Result<(), StoreError> {
        if self.changed && self.snapshot()?.network(&self.name)? != Some(self.network) {
            let name = std::mem::take(&mut self.name);
            self.change(|writer| writer.put_network(&name))?;
        }
        // An ADD or DEL alone may be undone by a loss of power, since that ends the container, too: leases of an earlier
        // boot are dropped. What outlives a boot (policy state, cooling addresses) goes back one step together with its lease.
        let durability = self.durability;
        self.writing
            .with_dependent_mut(|environment, txn| environment.commit(txn.take().ok_or(StoreError::Lost)?, durability))
    }
}

/// One network, for reading. Others may read at the same time; writers wait until it is dropped.
pub struct ReadLedger {
    // Before the environment: a transaction must end first.
    txn: RoTxn<'static, WithoutTls>,
    environment: Arc<Environment>,
    network: Network,
}

impl ReadLedger {
    pub(super) fn open(environment: &Arc<Environment>, name: &str) -> Result<Self, StoreError> {
        let txn = environment.read()?;
        // A network never seen has number 0, and nothing in it.
        let network = Snapshot::new(environment, &txn).network(name)?.unwrap_or(Network::unseen(0));
        Ok(Self { txn, environment: Arc::clone(environment), network })
    }
}

impl ReadLedger {
    /// As [`StoreLedger::is_adopted`].
    pub fn is_adopted(&self) -> Result<bool, StoreError> {
        self.snapshot()?.is_adopted(self.network.id)
    }

    /// As [`StoreLedger::adoption`].
    pub fn adoption(&self) -> Result<Option<Adoption>, StoreError> {
        self.snapshot()?.adoption(self.network.id)
    }
}

/// What both have: a transaction to ask and a network to ask about.
trait Open {
    fn snapshot(&self) -> Result<Snapshot<'_>, StoreError>;
    fn network(&self) -> &Network;

    fn id(&self) -> NetworkId {
        self.network().id
    }
}

impl Open for StoreLedger {
    fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        let environment = self.writing.borrow_owner();
        let txn = self.writing.borrow_dependent().as_ref().ok_or(StoreError::Lost)?;
        Ok(Snapshot::new(environment, txn))
    }

    fn network(&self) -> &Network {
        &self.network
    }
}

impl Open for ReadLedger {
    fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        Ok(Snapshot::new(&self.environment, &self.txn))
    }

    fn network(&self) -> &Network {
        &self.network
    }
}

impl<L: Open> LedgerQueries for L {
    fn attachment(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError> {
        if key::check_attachment(key).is_err() {
            // What is too long to be recorded was not recorded.
            return Ok(None);
        }
        self.snapshot()?.attachment(self.id(), &key::owner(key))
    }

    fn holder(&self, address: IpAddr) -> Result<Option<AttachmentKey>, StoreError> {
        self.snapshot()?.holder(self.id(), address)
    }

    fn cooling_since(&self, address: IpAddr) -> Result<Option<u64>, StoreError> {
        self.snapshot()?.cooling_since(self.id(), address)
    }

    fn last_holder(&self, address: IpAddr) -> Result<Option<(FormerHolder, u64)>, StoreError> {
        self.snapshot()?.last_holder(self.id(), address)
    }

    fn leases_within(&self, within: IpRange, most: usize) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError> {
        self.snapshot()?.leases_within(self.id(), within, most)
    }

    fn leases_of_namespace(
        &self,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError> {
        self.snapshot()?.leases_of_namespace(self.id(), namespace, after, most)
    }

    fn lease_count_of_namespace(&self, namespace: &str) -> Result<u64, StoreError> {
        self.snapshot()?.lease_count_of_namespace(self.id(), namespace)
    }

    fn reservation(&self, address: IpAddr) -> Result<Option<Reservation>, StoreError> {
        self.snapshot()?.reservation(self.id(), address)
    }

    fn reservations_of(&self, key: &str) -> Result<Vec<Reservation>, StoreError> {
        if key::check_reservation(key).is_err() {
            // What cannot be recorded was not recorded.
            return Ok(Vec::new());
        }
        self.snapshot()?.reservations_of(self.id(), key)
    }

    fn reservations_within(&self, within: IpRange) -> Result<Vec<Reservation>, StoreError> {
        self.snapshot()?.reservations_within(self.id(), within)
    }

    fn reservation_count(&self) -> Result<u64, StoreError> {
        Ok(self.network().reservations)
    }

    fn next_unused(&self, within: IpRange) -> Result<Option<IpAddr>, StoreError> {
        self.snapshot()?.next_unused(self.id(), within)
    }

    fn next_used_run(&self, from: IpAddr) -> Result<Option<IpRange>, StoreError> {
        self.snapshot()?.next_used_run(self.id(), from)
    }

    fn longest_cooling(&self, within: &[IpRange]) -> Result<Option<(IpAddr, u64)>, StoreError> {
        self.snapshot()?.longest_cooling(self.id(), within)
    }

    fn cooling_count(&self, within: IpRange) -> Result<u64, StoreError> {
        self.snapshot()?.cooling_count(self.id(), within)
    }

    fn freed_until(&self, time: u64) -> Result<Vec<IpAddr>, StoreError> {
        let freed = self.snapshot()?.cooling_between(self.id(), (0, time), usize::MAX)?;
        Ok(freed.into_iter().map(|(address, _)| address).collect())
    }

    fn attachments(&self) -> Result<Vec<(AttachmentKey, AttachmentRecord)>, StoreError> {
        self.snapshot()?.attachments(self.id())
    }

    fn attachment_count(&self) -> Result<u64, StoreError> {
        Ok(self.network().attachments)
    }

    fn state_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if key::check_state_key(key).is_err() {
            return Ok(None);
        }
        Ok(self.snapshot()?.value(Table::State, self.id(), key)?.map(<[u8]>::to_vec))
    }

    fn shadow_value(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if key::check_state_key(key).is_err() {
            return Ok(None);
        }
        Ok(self.snapshot()?.value(Table::Shadow, self.id(), key)?.map(<[u8]>::to_vec))
    }

    fn shadow_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        self.snapshot()?.keys((Table::Shadow, self.id()), prefix, after, most)
    }

    fn state_keys(&self, prefix: &str, after: Option<&str>, most: usize) -> Result<Vec<String>, StoreError> {
        self.snapshot()?.keys((Table::State, self.id()), prefix, after, most)
    }

    fn state_size(&self) -> Result<u64, StoreError> {
        Ok(self.network().state_size)
    }

    fn last_allocated(&self) -> Result<Vec<(u32, IpAddr)>, StoreError> {
        self.snapshot()?.last_allocated(self.id())
    }

    fn held_by_others(&self, within: &[IpRange], link: Option<&str>) -> Result<Vec<(IpAddr, String)>, StoreError> {
        self.snapshot()?.held_by_others(self.id(), within, link)
    }

    fn cluster_state(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.snapshot()?.cluster_state(self.id())?.map(<[u8]>::to_vec))
    }
}
