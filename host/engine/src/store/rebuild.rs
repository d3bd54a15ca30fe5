//! A new store in place of a damaged one of this boot, with the attachments that are known from elsewhere.
//!
//! `succession` puts the new file in place, and asks here whether it may begin one: the two decide together what a missing file is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::directory::Directory;
use super::environment::{Access, FILE};
use super::snapshot::{Network, Snapshot};
use super::writer::Writer;
use super::{Environment, StoreError, boot_mark, succession};
use crate::attachment::AttachmentKey;
use crate::ledger::AttachmentRecord;

pub type Attachments = BTreeMap<String, Vec<(AttachmentKey, AttachmentRecord)>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuilt {
    /// The store is sound, or there is none: nothing was changed.
    Sound,
    /// A new store is in its place.
    Done {
        /// The name that the damaged file has now. None if there was no file.
        kept: Option<PathBuf>,
    },
}

/// Reads everything in the store. No store is sound, unless this boot has used one.
pub(super) fn examine(directory: &Arc<Directory>, boot: &str) -> Result<(), StoreError> {
    let Some(environment) = Environment::open(directory, Access::Read)? else {
        return require_no_mark(directory, boot);
    };
    environment.meta()?;
    environment.check_all()?;
    let txn = environment.read()?;
    let snapshot = Snapshot::new(&environment, &txn);
    for (_, network) in snapshot.networks()? {
        for (key, record) in snapshot.attachments(network.id)? {
            let is_leased = |address| Ok(snapshot.holder(network.id, address)?.as_ref() == Some(&key));
            for address in record.addresses {
                if !is_leased(address)? {
                    return Err(snapshot.broken(&format!("the lease of {address}")));
                }
            }
        }
    }
    Ok(())
}

/// Leases of this boot were lost with a file that this boot has used.
pub(super) fn require_no_mark(directory: &Directory, boot: &str) -> Result<(), StoreError> {
    match boot_mark::read(directory) {
        Some(mark) if mark.boot == boot => {
            Err(StoreError::damaged(&directory.path_of(FILE), "it is missing, and leases of this boot were in it"))
        }
        _ => Ok(()),
    }
}

pub(super) fn rebuild(
    directory: &Arc<Directory>,
    boot: &str,
    now: u64,
    attachments: &Attachments,
) -> Result<Rebuilt, StoreError> {
    match examine(directory, boot) {
        Ok(()) => return Ok(Rebuilt::Sound),
        Err(StoreError::Damaged { .. }) => {}
        Err(error) => return Err(error),
    }
    let kept = succession::replace_damaged(directory, now, |environment, txn| {
        for (id, (name, attachments)) in (1..).zip(attachments) {
            let mut network = Network::unseen(id);
            let mut changed = false;
            let mut writer = Writer { environment, txn, network: &mut network, changed: &mut changed };
            for (key, record) in attachments {
                writer.attach(key, record)?;
            }
            writer.put_network(name)?;
        }
        Ok(())
    })?;
    succession::settle(directory, boot, now)?;
    Ok(Rebuilt::Done { kept })
}
