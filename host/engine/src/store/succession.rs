//! A new store file takes the place of the old one: when there is none yet, and after every boot of the machine.
//!
//! A network namespace cannot outlive the kernel it was made in, so after a boot the attachments of earlier ones are
//! gone, whatever is recorded. What outlives a boot (policy state, cooling and reserved addresses, the node's own leases, its cluster state) is written to a new
//! file beside the old one, which is then renamed over it: killed or out of space at any moment, there is the old store or the new one. The
//! file shrinks to what is in it, and no list of a million freed pages is carried along by every later commit.
//!
//! The new file names no boot until its directory entry is on disk. Whoever is killed in between leaves a store that
//! does not name the current boot, and the next one repeats the succession.
//!
//! A damaged store of an earlier boot is no obstacle: nothing in it can still be in use. It is put aside, and an empty one
//! takes its place. A damaged store of this boot is left alone until `ginghamctl recover` has found out who has which
//! address.

use std::path::PathBuf;
use std::sync::Arc;

use cap_std::fs::MetadataExt;
use heed::RwTxn;

use super::directory::Directory;
use super::environment::{Access, Durability, FILE, Meta, NEW_FILE, SCHEMA};
use super::key::{self, NetworkId, Table};
use super::snapshot::{Network, Snapshot};
use super::writer::Writer;
use super::{Environment, Event, StoreError, boot_mark, damaged_files, rebuild};
use crate::address::Family;
use crate::boot_id;
use crate::ledger::AttachmentRecord;

/// Opens the store of this boot for writing; makes it from the one of an earlier boot, or from nothing.
/// What that did is among the events once it is durable.
pub(super) fn open_of_boot(
    directory: &Arc<Directory>,
    boot: &str,
    now: u64,
    events: &mut Vec<Event>,
) -> Result<Environment, StoreError> {
    let event = match begin(directory, boot, now) {
        Ok(Begun::Current(environment)) => {
            // Missing where an older version made the store. Without it a damaged store is taken for one of this boot,
            // which is safe; so that it cannot be written is no reason to fail.
            let _ = boot_mark::write(directory, boot, now);
            return Ok(environment);
        }
        Ok(Begun::Replaced(dropped)) => dropped,
        Err(StoreError::Damaged { path, what, .. }) if is_of_earlier_boot(directory, boot) => {
            let kept = replace_damaged(directory, now, |_, _| Ok(()))?;
            Some(Event::PutAside { path, what, kept })
        }
        Err(error) => return Err(error),
    };
    let environment = settle(directory, boot, now)?;
    events.extend(event);
    Ok(environment)
}

/// What a store was before it is used in this boot.
enum Begun {
    Current(Environment),
    /// Made from that of an earlier boot, or from nothing.
    Replaced(Option<Event>),
}

fn begin(directory: &Arc<Directory>, boot: &str, now: u64) -> Result<Begun, StoreError> {
    let Some(environment) = Environment::open(directory, Access::Write)? else {
        rebuild::require_no_mark(directory, boot)?;
        replace(directory, None, boot, now, now)?;
        return Ok(Begun::Replaced(None));
    };
    let meta = environment.meta()?;
    if meta.boot == boot {
        upgrade(&environment, meta)?;
        return Ok(Begun::Current(environment));
    }
    // The machine may have lost power.
    environment.check_all()?;
    let dropped = count_ended(&environment, &meta, boot)?;
    replace(directory, Some(&environment), boot, meta.created, now)?;
    Ok(Begun::Replaced(dropped))
}

/// Whether it is certain that a damaged store holds no lease of this boot. In doubt it may.
fn is_of_earlier_boot(directory: &Arc<Directory>, boot: &str) -> bool {
    if !boot_id::is_certain(boot) {
        return false;
    }
    let found = directory.files().symlink_metadata(FILE).ok();
    // Where no file is, none of the names it could be known by has to fit.
    let is_file_of = |inode| found.as_ref().is_none_or(|found| !found.is_file() || found.ino() == inode);
    match boot_mark::read(directory) {
        Some(mark) if mark.boot == boot => false,
        Some(mark) if is_file_of(mark.inode) => true,
        // A version without marks made the store: what it says about itself, if that can be read.
        _ => own_boot(directory).is_some_and(|own| own != boot && boot_id::is_certain(&own)),
    }
}

fn own_boot(directory: &Arc<Directory>) -> Option<String> {
    Some(Environment::open(directory, Access::Read).ok()??.meta().ok()?.boot)
}

/// Makes a successor durable and of this boot. The mark comes first: it is the one that counts if the store is damaged.
pub(super) fn settle(directory: &Arc<Directory>, boot: &str, now: u64) -> Result<Environment, StoreError> {
    directory.sync()?;
    boot_mark::write(directory, boot, now)?;
    let missing = || StoreError::damaged(&directory.path_of(FILE), "it was removed while it was being created");
    let environment = Environment::open(directory, Access::Write)?.ok_or_else(missing)?;
    let meta = Meta { boot: boot.to_owned(), ..environment.meta()? };
    commit(&environment, |txn| put_meta(&environment, txn, &meta))?;
    Ok(environment)
}

/// The attachments that do not survive. None if there are none.
fn count_ended(old: &Environment, meta: &Meta, boot: &str) -> Result<Option<Event>, StoreError> {
    let txn = old.read()?;
    let snapshot = Snapshot::new(old, &txn);
    let (mut attachments, mut addresses) = (0, 0);
    for (_, network) in snapshot.networks()? {
        let all = snapshot.attachments(network.id)?;
        let ended = all.iter().filter(|(key, record)| !key.is_nodes_own() && record.boot != boot);
        for (_, record) in ended {
            attachments += 1;
            addresses += record.addresses.len() as u64;
        }
    }
    let (path, was, now) = (old.path().to_owned(), meta.boot.clone(), boot.to_owned());
    Ok((attachments > 0).then_some(Event::EarlierBoot { path, boot: was, now, attachments, addresses }))
}

/// Adds what this version keeps beyond the one that made the store, in one transaction.
fn upgrade(environment: &Environment, meta: Meta) -> Result<(), StoreError> {
    if meta.schema == SCHEMA {
        return Ok(());
    }
    commit(environment, |txn| {
        for (name, network) in Snapshot::new(environment, txn).networks()? {
            let (mut upgraded, mut changed) = (network, false);
            let mut writer = Writer { environment, txn, network: &mut upgraded, changed: &mut changed };
            for (_, record) in writer.snapshot().attachments(network.id)? {
                writer.index(&record, true)?;
            }
            writer.put_network(&name)?;
        }
        put_meta(environment, txn, &Meta { schema: SCHEMA, ..meta })
    })
}

/// Writes the successor and puts it in the store's place. If that fails, nothing of it stays.
fn replace(
    directory: &Arc<Directory>,
    old: Option<&Environment>,
    boot: &str,
    created: u64,
    now: u64,
) -> Result<(), StoreError> {
    let length = old.map_or(0, Environment::length);
    let written = write_successor(directory, length, created, now, |new, txn| {
        old.map_or(Ok(()), |old| copy_survivors(old, new, txn, boot))
    });
    let done = written.and_then(|()| {
        let fault = |source| StoreError::io("replace the lease store", &directory.path_of(FILE), source);
        directory.files().rename(NEW_FILE, directory.files(), FILE).map_err(fault)
    });
    remove_unfinished(directory, done)
}

/// The same for a damaged store, which is kept under the name that is returned.
pub(super) fn replace_damaged(
    directory: &Arc<Directory>,
    now: u64,
    fill: impl for<'e> FnOnce(&'e Environment, &mut RwTxn<'e>) -> Result<(), StoreError>,
) -> Result<Option<PathBuf>, StoreError> {
    let done =
        write_successor(directory, 0, now, now, fill).and_then(|()| damaged_files::replace_store(directory, now));
    remove_unfinished(directory, done)
}

fn remove_unfinished<T>(directory: &Directory, done: Result<T, StoreError>) -> Result<T, StoreError> {
    if done.is_err() {
        let _ = directory.files().remove_file(NEW_FILE);
    }
    done
}

fn write_successor(
    directory: &Arc<Directory>,
    length: u64,
    created: u64,
    now: u64,
    fill: impl for<'e> FnOnce(&'e Environment, &mut RwTxn<'e>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    damaged_files::clear(directory, NEW_FILE, now)?;
    let new = Environment::create(directory, length)?;
    let meta = Meta { schema: SCHEMA, boot: String::new(), created };
    commit(&new, |txn| {
        put_meta(&new, txn, &meta)?;
        fill(&new, txn)
    })
}

/// Copies what outlives a boot, by the same verbs that wrote it first.
fn copy_survivors<'e>(
    old: &Environment,
    new: &'e Environment,
    txn: &mut RwTxn<'e>,
    boot: &str,
) -> Result<(), StoreError> {
    let old_txn = old.read()?;
    let old = Snapshot::new(old, &old_txn);
    let mut id = 1;
    for (name, network) in old.networks()? {
        let mut successor = Network::unseen(id);
        let mut changed = false;
        let mut writer = Writer { environment: new, txn, network: &mut successor, changed: &mut changed };
        copy_network(&old, network.id, &mut writer, boot)?;
        if *writer.changed {
            writer.put_network(&name)?;
            id += 1;
        }
    }
    // Pods outlive a boot of their node, and are started before the agent is.
    old.scan(key::ALL_FACTS, |key, value| {
        let fault = |error| StoreError::lmdb("replace the lease store", new.path(), error);
        new.tree().put(txn, key, value).map(|()| true).map_err(fault)
    })
}

fn copy_network(old: &Snapshot, from: NetworkId, to: &mut Writer, boot: &str) -> Result<(), StoreError> {
    old.scan(&key::prefix(Table::State, from), |key, value| {
        let key = std::str::from_utf8(&key[key::PREFIX..]).map_err(|_| old.broken("a key of a policy's state"))?;
        to.put_state(key, Some(value)).map(|()| true)
    })?;
    old.scan(&key::prefix(Table::Shadow, from), |key, value| {
        let key = std::str::from_utf8(&key[key::PREFIX..]).map_err(|_| old.broken("a key of the shadow"))?;
        to.put_shadow_value(key, Some(value)).map(|()| true)
    })?;
    old.scan(&key::prefix(Table::Cooling, from), |key, value| {
        let address = key::read_address(&key[key::PREFIX..]).ok_or_else(|| old.broken("a cooling address"))?;
        let (freed_at, holder) = old.cooling_value(value)?;
        to.cool(address, freed_at, holder.as_ref()).map(|()| true)
    })?;
    for family in Family::ALL {
        for reservation in old.reservations_within(from, family.whole())? {
            to.reserve(&reservation)?;
        }
    }
    for (pool, address) in old.last_allocated(from)? {
        to.put_last_allocated(pool, address)?;
    }
    // The node's own; others only if the store was not settled when they came.
    for (key, record) in old.attachments_after(from, boot)? {
        to.attach(&key, &AttachmentRecord { boot: boot.to_owned(), ..record })?;
    }
    old.cluster_state(from)?.map_or(Ok(()), |state| to.put_cluster_state(state))
}

fn put_meta(environment: &Environment, txn: &mut RwTxn, meta: &Meta) -> Result<(), StoreError> {
    let fault = |error| StoreError::lmdb("describe the lease store", environment.path(), error);
    let json = serde_json::to_vec(meta).map_err(|error| fault(heed::Error::Encoding(error.into())))?;
    environment.tree().put(txn, key::META, &json).map_err(fault)
}

fn commit<'e>(
    environment: &'e Environment,
    change: impl FnOnce(&mut RwTxn<'e>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut txn = environment.write()?;
    change(&mut txn)?;
    environment.commit(txn, Durability::Whole)
}
