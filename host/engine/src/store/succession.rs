//! A new store file takes the place of the old one: when there is none yet, and after every boot of the machine.
//!
//! A network namespace cannot outlive the kernel it was made in, so after a boot the attachments of earlier ones are
//! gone, whatever is recorded. What outlives a boot (notes, resting addresses) is written to a new file beside the old
//! one, which is then renamed over it: killed or out of space at any moment, there is the old store or the new one. The
//! file shrinks to what is in it, and no list of a million freed pages is carried along by every later commit.
//!
//! The new file names no boot until its directory entry is on disk. Whoever is killed in between leaves a store that
//! does not name the current boot, and the next one repeats the succession.

use heed::RwTxn;

use super::directory::Directory;
use super::environment::{Access, FILE, Meta, NEW_FILE, Opened, SCHEMA};
use super::key::{self, Table};
use super::snapshot::{Network, Snapshot};
use super::writer::Writer;
use super::{Environment, StoreError};
use crate::ledger::AttachmentRecord;

/// Opens the store of this boot for writing; makes it from the one of an earlier boot, or from nothing.
pub(super) fn open_of_boot(directory: Directory, boot: &str, now: u64) -> Result<Environment, StoreError> {
    let directory = match Environment::open(directory, Access::Write)? {
        Opened::Store(environment, meta) if meta.boot == boot => return Ok(environment),
        Opened::Store(old, meta) => {
            // A second handle on the locked directory: the old store stays open while the new one is written.
            let beside = old.directory().again()?;
            write_successor(beside, Some(&old), boot, meta.created)?;
            old.close()
        }
        Opened::Nothing(directory) => write_successor(directory, None, boot, now)?,
        Opened::Short => return Err(StoreError::damaged(&directory_file(), "its length cannot be settled")),
    };
    directory.sync()?;
    let opened = Environment::open(directory, Access::Write)?;
    let Opened::Store(environment, meta) = opened else {
        return Err(StoreError::damaged(&directory_file(), "it vanished while it was being made"));
    };
    commit(&environment, |txn| put_meta(&environment, txn, &Meta { boot: boot.to_owned(), ..meta }))?;
    Ok(environment)
}
