//! What happens on a network goes into its history, if `ipam.record` wants one (the format: `gingham_engine::history`). It is
//! written after the commit and without the store's lock. Whatever goes wrong here is a warning: no lease depends on it.

use std::cell::{Cell, RefCell};
use std::net::IpAddr;
use std::path::Path;

use gingham_engine::address::Family;
use gingham_engine::attachment::{AttachmentKey, Context, Request};
use gingham_engine::history::{
    CoolingAddress, Ended, Entries, Event, FORMAT, HeldAddresses, HistoryFile, Outcome, Pseudonyms, RecordedPolicy,
    RecordedRequest, Requested, ReservedAddress, Snapshot, Start, StateEntry, WriteError,
};
use gingham_engine::ledger::{AttachmentRecord, Cooling, LedgerQueries, Reservation};
use gingham_engine::settings::{RecordSettings, Settings};
use gingham_engine::store::{StoreError, StoreLedger};
use serde_json::{Map, Value};

use crate::allocation::{Allocation, Observed};
use crate::error::NetworkError;
use crate::log;
use crate::records::End;

/// How much a snapshot may have of each kind. It is read while the store is locked, some 1 µs for each.
const MOST_IN_SNAPSHOT: usize = 10_000;

/// Writes a network's history.
pub struct Recorder {
    file: HistoryFile,
    settings: RecordSettings,
    start: Start,
    /// Who works on the network: a verb, or a tool.
    by: String,
    /// The number of the transaction that was opened last.
    transaction: Cell<u64>,
    /// What the network held before it, if a new file is about to begin or leases were adopted.
    snapshot: RefCell<Option<Snapshot>>,
    adopted: Cell<bool>,
}

impl Recorder {
    /// None if nothing is to be recorded. `ipam` is the configuration's object.
    pub fn of(
        settings: &Settings,
        context: &Context,
        policy: RecordedPolicy,
        (ipam, boot, by): (&Map<String, Value>, &str, &str),
    ) -> Option<Self> {
        let record = settings.record?;
        let start = Start {
            format: FORMAT,
            gingham: env!("CARGO_PKG_VERSION").to_owned(),
            network: context.network.clone(),
            node: context.node.clone(),
            boot: boot.to_owned(),
            policy,
            ipam: without_passwords(ipam),
            hashed_personal_data: record.hash_personal_data,
        };
        Some(Self {
            file: HistoryFile::new(&settings.data_dir, &context.network),
            settings: record,
            start,
            by: by.to_owned(),
            transaction: Cell::new(0),
            snapshot: RefCell::new(None),
            adopted: Cell::new(false),
        })
    }

    /// To be called with each write transaction, before anything is changed in it. A history begins here, with the store
    /// locked: of ADDs at the same time, a later one would otherwise begin it and its snapshot stand for the earlier ones.
    pub fn opened(&self, ledger: &StoreLedger, now: u64) -> Result<(), StoreError> {
        self.transaction.set(ledger.transaction()?);
        let begins = self.file.is_empty();
        if begins || self.adopted.get() || self.file.wants_snapshot(self.settings.max_size) {
            let snapshot = Some(snapshot(ledger)?);
            // If that fails, the first event says why.
            let has_begun =
                begins && self.append(&self.file.without_waiting(), now, Vec::new(), snapshot.as_ref()).is_ok();
            self.snapshot.replace(snapshot.filter(|_| !has_begun));
        }
        Ok(())
    }

    /// Leases of the reference were adopted: no line names them.
    pub fn leases_adopted(&self) {
        self.adopted.set(true);
    }

    /// A request, and what came of it. Before it the node's own, if that was answered in the same transaction.
    pub fn request(
        &self,
        request: &Request,
        context: &Context,
        ip_ranges: Option<&Value>,
        observed: &Observed,
        result: &Result<Allocation, NetworkError>,
    ) {
        let outcome = match (result, observed.refusal.take()) {
            (Ok(allocation), _) => {
                Outcome::Granted(observed.answer.take().unwrap_or_else(|| allocation.ipam.answer.clone()))
            }
            (Err(_), Some(refused)) => Outcome::Refused(refused),
            (Err(error), None) => Outcome::Failed { message: error.to_string() },
        };
        let usage = result.as_ref().ok().map(|allocation| allocation.ipam.usage.into());
        let shadow = result.as_ref().ok().and_then(|allocation| allocation.ipam.shadow.clone());
        let blocks = observed.blocks.take();
        let own = observed.own.take().map(|(own, answer)| {
            let own = RecordedRequest::new(&own, context, ip_ranges);
            Requested { blocks: blocks.clone(), ..Requested::new(own, Outcome::Granted(answer)) }
        });
        let request = RecordedRequest::new(request, context, ip_ranges);
        let requested = Requested { request, blocks, outcome, usage, shadow };
        let now = requested.request.now;
        let requests = own.into_iter().chain([requested]);
        self.write(now, requests.map(|requested| Event::Request(Box::new(requested))).collect());
    }

    /// Attachments that ended.
    pub fn ended(&self, ended: &[(AttachmentKey, AttachmentRecord)], end: &End, now: u64) {
        let events = ended.iter().map(|(key, record)| Event::End(event(key, record, end, &self.by, now)));
        self.write(now, events.collect());
    }

    pub fn reservations_ended(&self, addresses: &[IpAddr], now: u64) {
        self.write(now, vec![Event::EndReservations(addresses.to_vec())]);
    }

    fn write(&self, at: u64, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.append(&self.file, at, events, self.snapshot.take().as_ref()) {
            log::warn(format!("network {}: {error}; leases are not affected (ipam.record)", self.start.network));
        }
    }

    fn append(
        &self,
        file: &HistoryFile,
        at: u64,
        mut events: Vec<Event>,
        snapshot: Option<&Snapshot>,
    ) -> Result<(), WriteError> {
        let mut snapshot = snapshot.cloned().map(Event::Snapshot);
        if self.settings.hash_personal_data {
            let mut pseudonyms = Pseudonyms::of(file, &self.start.ipam)?;
            events.iter_mut().chain(&mut snapshot).for_each(|event| pseudonyms.replace(event));
        }
        let snapshot = if let Some(Event::Snapshot(snapshot)) = snapshot { Some(snapshot) } else { None };
        let (order, always_snapshot) = (self.transaction.get(), self.adopted.take());
        let entries = Entries { at, order, events, snapshot, always_snapshot };
        file.append(&self.start, self.settings.max_size, &entries)
    }
}

/// Stale leases that were freed by one who may know no configuration. Only a history that is there is continued.
pub(crate) fn stale_leases_freed(
    (data_dir, network): (&Path, &str),
    transaction: u64,
    freed: &[(AttachmentKey, AttachmentRecord)],
    now: u64,
) {
    let file = HistoryFile::new(data_dir, network);
    let Some(start) = file.start().filter(|_| !freed.is_empty()) else { return };
    let event =
        |(key, record): &(AttachmentKey, AttachmentRecord)| Event::End(event(key, record, &End::Used, "stale", now));
    let events = freed.iter().map(event).collect();
    let written = (|| {
        let mut entries = Entries { at: now, order: transaction, events, ..Entries::default() };
        if start.hashed_personal_data {
            let mut pseudonyms = Pseudonyms::of(&file, &start.ipam)?;
            entries.events.iter_mut().for_each(|event| pseudonyms.replace(event));
        }
        file.append_to_existing(&entries)
    })();
    if let Err(error) = written {
        log::warn(format!("network {network}: {error}; leases are not affected (ipam.record)"));
    }
}

fn event(key: &AttachmentKey, record: &AttachmentRecord, end: &End, by: &str, now: u64) -> Ended {
    let still_cooling = match end {
        End::Used => Vec::new(),
        End::NeverUsed(cooling) => cooling.iter().map(cooling_address).collect(),
    };
    Ended {
        container_id: key.container_id.clone(),
        interface: key.interface.clone(),
        pod: record.pod.clone(),
        addresses: record.addresses.clone(),
        was_used: *end == End::Used,
        still_cooling,
        by: by.to_owned(),
        now,
    }
}

fn cooling_address(Cooling { address, since, last_holder }: &Cooling) -> CoolingAddress {
    let holder = last_holder.clone();
    let (key, pod) = holder.map(|holder| (holder.key, holder.pod)).unzip();
    let (container_id, interface) = key.map(|key| (key.container_id, key.interface)).unwrap_or_default();
    CoolingAddress { address: *address, freed_at: *since, container_id, interface, pod: pod.unwrap_or_default() }
}

/// Everything a network holds, up to a bound.
fn snapshot(ledger: &StoreLedger) -> Result<Snapshot, StoreError> {
    let too_many = |count: u64| usize::try_from(count).map_or(true, |count| count > MOST_IN_SNAPSHOT);
    if too_many(ledger.attachment_count()?) || too_many(ledger.reservation_count()?) {
        return Ok(Snapshot::default());
    }
    let cooling = ledger.cooling(MOST_IN_SNAPSHOT + 1)?;
    if cooling.len() > MOST_IN_SNAPSHOT {
        return Ok(Snapshot::default());
    }
    let leases = ledger.attachments()?.into_iter().map(|(key, record)| HeldAddresses {
        container_id: key.container_id,
        interface: key.interface,
        pod: record.pod,
        addresses: record.addresses,
        since: record.since,
        reason: record.reason,
    });
    let mut reservations = Vec::new();
    for family in Family::ALL {
        let reserved = ledger.reservations_within(family.whole())?.into_iter();
        reservations.extend(reserved.map(|Reservation { address, key, until }| ReservedAddress {
            address,
            key,
            until,
        }));
    }
    Ok(Snapshot {
        leases: leases.collect(),
        cooling: cooling.iter().map(cooling_address).collect(),
        reservations,
        state: state(ledger)?,
        complete: true,
    })
}

fn state(ledger: &impl LedgerQueries) -> Result<Vec<StateEntry>, StoreError> {
    let mut state: Vec<StateEntry> = Vec::new();
    loop {
        let after = state.last().map(|entry| entry.key.clone());
        let keys = ledger.state_keys("", after.as_deref(), 1000)?;
        if keys.is_empty() {
            return Ok(state);
        }
        for key in keys {
            let value = ledger.state_value(&key)?.unwrap_or_default();
            state.push(StateEntry::new(key, &value));
        }
    }
}

/// A history is copied to other machines.
fn without_passwords(ipam: &Map<String, Value>) -> Map<String, Value> {
    let mut ipam = ipam.clone();
    for (key, value) in &mut ipam {
        if let (true, Value::Object(cluster)) = (key.eq_ignore_ascii_case("cluster"), value) {
            cluster.retain(|key, _| !key.eq_ignore_ascii_case("password"));
        }
    }
    ipam
}
