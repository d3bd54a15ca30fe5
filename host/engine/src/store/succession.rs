//! A new store file takes the place of the old one: when there is none yet, and after every boot of the machine.
//!
//! A network namespace cannot outlive the kernel it was made in, so after a boot the attachments of earlier ones are
//! gone, whatever is recorded. What outlives a boot (notes, resting addresses, the node's own leases, what it knows of
//! its cluster) is written to a new file beside the old
//! one, which is then renamed over it: killed or out of space at any moment, there is the old store or the new one. The
//! file shrinks to what is in it, and no list of a million freed pages is carried along by every later commit.
//!
//! The new file names no boot until its directory entry is on disk. Whoever is killed in between leaves a store that
//! does not name the current boot, and the next one repeats the succession.

use std::sync::Arc;

use heed::RwTxn;

use super::directory::Directory;
use super::environment::{Access, Durability, FILE, Meta, NEW_FILE, SCHEMA};
use super::key::{self, NetworkId, Table};
use super::snapshot::{Network, Snapshot};
use super::writer::Writer;
use super::{Environment, Event, StoreError};
use crate::ledger::AttachmentRecord;

/// Opens the store of this boot for writing; makes it from the one of an earlier boot, or from nothing.
/// What that did is among the events once it is durable.
pub(super) fn open_of_boot(
    directory: &Arc<Directory>,
    boot: &str,
    now: u64,
    events: &mut Vec<Event>,
) -> Result<Environment, StoreError> {
    let mut dropped = None;
    match Environment::open(directory, Access::Write)? {
        Some(environment) => {
            let meta = environment.meta()?;
            if meta.boot == boot {
                return Ok(environment);
            }
            // The machine may have lost power.
            environment.check_all()?;
            dropped = count_ended(&environment, &meta, boot)?;
            replace(directory, Some(&environment), boot, meta.created)?;
        }
        None => replace(directory, None, boot, now)?,
    }
    directory.sync()?;
    let missing = || StoreError::damaged(&directory.path_of(FILE), "it vanished while it was being made");
    let environment = Environment::open(directory, Access::Write)?.ok_or_else(missing)?;
    let meta = Meta { boot: boot.to_owned(), ..environment.meta()? };
    commit(&environment, |txn| put_meta(&environment, txn, &meta))?;
    events.extend(dropped);
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

/// Writes the successor and puts it in the store's place. If that fails, nothing of it stays.
fn replace(directory: &Arc<Directory>, old: Option<&Environment>, boot: &str, created: u64) -> Result<(), StoreError> {
    let done = write_successor(directory, old, boot, created).and_then(|()| {
        let fault = |source| StoreError::io("replace the lease store", &directory.path_of(FILE), source);
        directory.files().rename(NEW_FILE, directory.files(), FILE).map_err(fault)
    });
    if done.is_err() {
        let _ = directory.files().remove_file(NEW_FILE);
    }
    done
}

fn write_successor(
    directory: &Arc<Directory>,
    old: Option<&Environment>,
    boot: &str,
    created: u64,
) -> Result<(), StoreError> {
    let new = Environment::create(directory, old.map_or(0, Environment::length))?;
    let meta = Meta { schema: SCHEMA, boot: String::new(), created };
    commit(&new, |txn| {
        put_meta(&new, txn, &meta)?;
        old.map_or(Ok(()), |old| copy_survivors(old, &new, txn, boot))
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
    Ok(())
}

fn copy_network(old: &Snapshot, from: NetworkId, to: &mut Writer, boot: &str) -> Result<(), StoreError> {
    old.scan(&key::prefix(Table::Notes, from), |key, value| {
        let key = std::str::from_utf8(&key[key::PREFIX..]).map_err(|_| old.broken("a note"))?;
        to.put_note(key, Some(value)).map(|()| true)
    })?;
    old.scan(&key::prefix(Table::Resting, from), |key, value| {
        let address = key::read_address(&key[key::PREFIX..]).ok_or_else(|| old.broken("a resting address"))?;
        to.rest(address, old.time(value)?).map(|()| true)
    })?;
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
