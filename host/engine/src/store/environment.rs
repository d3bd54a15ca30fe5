//! The LMDB environment in a locked directory, and the checks a file has to pass before it is used.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::MetadataExt as _;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, FlagSetMode, RoTxn, RwTxn, WithoutTls};
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::pages::{Doubt, Pages};
use super::{StoreError, key};

/// The store's file in the data directory.
pub(super) const FILE: &str = "leases.mdb";
/// A store in the making; worth nothing until it is renamed.
pub(super) const NEW_FILE: &str = "leases.new";

/// The most that a store can grow to: about twenty-five million leases. (A few hundred thousand where addresses have 32
/// bits.)
#[cfg(target_pointer_width = "64")]
const LARGEST_MAP: u64 = 16 << 30;
#[cfg(not(target_pointer_width = "64"))]
const LARGEST_MAP: u64 = 512 << 20;

/// What one transaction may add to the file, beside a copy of all that is in it: a quarter of a million new leases.
const ROOM: u64 = 128 << 20;

/// Maps have a multiple of this size; every page size divides it.
const STEP: u64 = 1 << 20;

/// How much address space a file of a length is mapped into. Each opening maps it again, so the map grows with the file, and
/// small stores can be used where address space is limited (`ulimit -v`). LMDB writes no page in place: a transaction that
/// changes everything needs as many pages again.
fn map_size(length: u64) -> usize {
    let size = length.saturating_mul(2).saturating_add(ROOM).min(LARGEST_MAP.max(length));
    // A damaged header may name any length.
    usize::try_from(size.checked_next_multiple_of(STEP).unwrap_or(size)).unwrap_or(usize::MAX)
}

/// The version of the tables described in [`super`]. Schema 1 had no tables 10 to 14, and no holder in table 5.
pub(super) const SCHEMA: u32 = 2;

/// All tables are one tree: an ADD that changes six of them then writes fewer pages.
pub(super) type Tree = Database<'static, Bytes, Bytes>;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) schema: u32,
    /// The boot all its attachments are of; empty until the directory is known to be durable.
    pub(super) boot: String,
    /// When it was made: milliseconds since the epoch.
    pub(super) created: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Under an exclusive lock.
    Write,
    /// Under a shared lock.
    Read,
}

/// What of a transaction must be on the disk when its commit returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// All of it: a loss of power takes nothing back.
    Whole,
    /// Its pages, not the header that makes them count. One sync less. A loss of power may undo it, and nothing that was
    /// committed before: LMDB has two headers and writes them in turn, so the one of the commit before is untouched, no
    /// page that it leads to has been used again, and the next commit's sync of the file brings this header along before
    /// that other one is written over. Neither a kill nor a crash of the process undoes anything.
    LastMayBeUndone,
}

/// An open environment and the lock that protects it. The order of the fields matters: the lock goes last.
#[derive(Debug)]
pub(super) struct Environment {
    env: Env<WithoutTls>,
    tree: Tree,
    path: PathBuf,
    directory: Arc<Directory>,
}

impl Environment {
    /// Opens the store of a locked directory, if there is one. LMDB sees no file that is shorter than what is in it.
    pub(super) fn open(directory: &Arc<Directory>, access: Access) -> Result<Option<Self>, StoreError> {
        let path = directory.path_of(FILE);
        let fault = |source| StoreError::io("open the lease store", &path, source);
        match directory.files().symlink_metadata(FILE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found if found.as_ref().is_ok_and(|found| !found.is_file()) => {
                return Err(StoreError::damaged(&path, "it is not a regular file"));
            }
            found => found.map_err(fault)?,
        };
        let file = directory.files().open(FILE).map_err(fault)?.into_std();
        let pages = check(&file).map_err(|doubt| doubt.into_error(&path))?;
        let opened = Self::open_file(directory, FILE, access, map_size(pages.full_length()));
        let is_it = opened.as_ref().map_or(Ok(true), |opened| opened.is_of(&file))?;
        if !is_it || !file.metadata().is_ok_and(|meta| is_named(directory, &meta)) {
            drop(opened);
            remove_made_by_lmdb(directory);
            return Err(fault(io::Error::other("it was replaced while it was being opened; try again")));
        }
        let opened = opened?;
        if access == Access::Write {
            opened.lengthen(pages.full_length());
        }
        Ok(Some(opened))
    }

    /// Makes a new, empty environment beside the store, for as much as a file of that length has.
    pub(super) fn create(directory: &Arc<Directory>, length: u64) -> Result<Self, StoreError> {
        match directory.files().remove_file(NEW_FILE) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::io("remove the unfinished", &directory.path_of(NEW_FILE), error))
            }
            _ => Self::open_file(directory, NEW_FILE, Access::Write, map_size(length)),
        }
    }

    fn open_file(directory: &Arc<Directory>, file: &str, access: Access, map: usize) -> Result<Self, StoreError> {
        let path = directory.path_of(file);
        let env =
            open_lmdb(&path, access, map).map_err(|error| StoreError::lmdb("open the lease store", &path, error))?;
        let tree = open_tree(&env)
            .map_err(|error| StoreError::lmdb("read the lease store", &path, error))?
            .ok_or_else(|| StoreError::damaged(&path, "it has no tables"))?;
        Ok(Self { env, tree, path, directory: Arc::clone(directory) })
    }

    /// LMDB opens paths, not files in an open directory: whether it has opened this file.
    fn is_of(&self, expected: &File) -> Result<bool, StoreError> {
        let fault = |source| StoreError::io("open the lease store", &self.path, source);
        let expected = expected.metadata().map_err(fault)?;
        let file =
            self.env.try_clone_inner_file().map_err(|e| StoreError::lmdb("open the lease store", &self.path, e))?;
        let opened = file.metadata().map_err(fault)?;
        Ok((opened.dev(), opened.ino()) == (expected.dev(), expected.ino()))
    }

    /// Reads every page of the file and checks that it is sound.
    pub(super) fn check_all(&self) -> Result<(), StoreError> {
        let file =
            self.env.try_clone_inner_file().map_err(|e| StoreError::lmdb("read the lease store", &self.path, e))?;
        let checked = Pages::read(&file).and_then(|pages| pages.check_all(&file));
        checked.map_err(|doubt| doubt.into_error(&self.path))
    }

    pub(super) fn meta(&self) -> Result<Meta, StoreError> {
        let txn = self.read()?;
        let bytes =
            self.tree.get(&txn, key::META).map_err(|e| StoreError::lmdb("read the lease store", &self.path, e))?;
        let bytes = bytes.ok_or_else(|| StoreError::damaged(&self.path, "it is another program's LMDB file"))?;
        let meta: Meta = serde_json::from_slice(bytes)
            .map_err(|error| StoreError::damaged(&self.path, format!("its description is malformed ({error})")))?;
        if meta.schema > SCHEMA {
            return Err(StoreError::Newer { path: self.path.clone(), found: meta.schema, known: SCHEMA });
        }
        Ok(meta)
    }

    pub(super) fn commit(&self, txn: RwTxn, durability: Durability) -> Result<(), StoreError> {
        let operation = "write the lease store";
        if durability == Durability::LastMayBeUndone {
            // SAFETY: one thread has the environment: nobody else calls this. What the flag does is answer at `Durability`.
            unsafe { self.env.set_flags(EnvFlags::NO_META_SYNC, FlagSetMode::Enable) }
                .map_err(|error| StoreError::lmdb(operation, &self.path, error))?;
        }
        match txn.commit() {
            // LMDB's word for a disk that took a part of what it was given; a failing disk has the same.
            Err(heed::Error::Io(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                return Err(StoreError::io(operation, &self.path, self.refusal().unwrap_or(error)));
            }
            done => done.map_err(|error| StoreError::lmdb(operation, &self.path, error))?,
        }
        let last = self.env.info().last_page_number as u64;
        self.lengthen((last + 1) * u64::from(self.env.unnamed_database_stat().page_size));
        Ok(())
    }

    /// Why the disk took only a part of what it was given, if that can be found out.
    fn refusal(&self) -> Option<io::Error> {
        let limit = rustix::process::getrlimit(Resource::Fsize).current;
        // What was cut off ended at the limit.
        if limit.is_some_and(|limit| self.file_length().is_ok_and(|length| length.saturating_add(STEP) > limit)) {
            return Some(Errno::FBIG.into());
        }
        self.directory.full()
    }

    /// The file's length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.file_length().unwrap_or_default()
    }

    fn file_length(&self) -> io::Result<u64> {
        let file = self.env.try_clone_inner_file().map_err(|error| io::Error::other(error.to_string()))?;
        Ok(file.metadata()?.len())
    }

    /// Makes the file as long as all its pages, should unused ones at its end be missing: then no reader has to find out
    /// again that they are unused. Failing costs that, and nothing else.
    fn lengthen(&self, length: u64) {
        if let Ok(file) = self.env.try_clone_inner_file()
            && file.metadata().is_ok_and(|now| now.len() < length)
        {
            let _ = file.set_len(length);
        }
    }

    pub(super) fn read(&self) -> Result<RoTxn<'static, WithoutTls>, StoreError> {
        self.env.clone().static_read_txn().map_err(|error| StoreError::lmdb("read the lease store", &self.path, error))
    }

    pub(super) fn write(&self) -> Result<RwTxn<'_>, StoreError> {
        self.env.write_txn().map_err(|error| StoreError::lmdb("change the lease store", &self.path, error))
    }

    pub(super) fn tree(&self) -> Tree {
        self.tree
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether the store's name still leads to this file.
fn is_named(directory: &Directory, file: &Metadata) -> bool {
    let named = directory.files().symlink_metadata(FILE);
    named.is_ok_and(|named| (named.dev(), named.ino()) == (file.dev(), file.ino()))
}

/// LMDB makes an empty store where the file has vanished since it was looked at. What another process put there is put back.
fn remove_made_by_lmdb(directory: &Directory) {
    let files = directory.files();
    if files.rename(FILE, files, NEW_FILE).is_err() {
        return;
    }
    let is_empty = files.open(NEW_FILE).is_ok_and(|file| {
        let file = file.into_std();
        file.metadata().is_ok_and(|meta| meta.len() == 0)
            || Pages::read(&file).is_ok_and(|pages| pages.is_of_no_commit())
    });
    if is_empty {
        let _ = files.remove_file(NEW_FILE);
    } else {
        let _ = renameat_with(files, NEW_FILE, files, FILE, RenameFlags::NOREPLACE);
    }
}

/// The header and length of the file, and all its pages if it is shorter than they are.
fn check(file: &File) -> Result<Pages, Doubt> {
    let length = file.metadata()?.len();
    if length == 0 {
        // LMDB would take it for a new store; ours is never empty, so its leases are lost.
        return Err(Doubt::Damaged("it is empty".into()));
    }
    let pages = Pages::read(file)?;
    if length < pages.full_length() {
        pages.check_all(file).map_err(|doubt| match doubt {
            Doubt::Damaged(what) => Doubt::Damaged(format!("{what}; it has {length} bytes of {}", pages.full_length())),
            io @ Doubt::Io(_) => io,
        })?;
    }
    Ok(pages)
}

impl Doubt {
    fn into_error(self, path: &Path) -> StoreError {
        match self {
            Self::Io(source) => StoreError::io("read the lease store", path, source),
            Self::Damaged(what) => StoreError::damaged(path, what),
        }
    }
}

fn open_lmdb(path: &Path, access: Access, map: usize) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(map);
    let mut flags = EnvFlags::NO_SUB_DIR | EnvFlags::NO_LOCK;
    if access == Access::Read {
        flags |= EnvFlags::READ_ONLY;
    }
    // SAFETY: without LMDB's own lock the caller has to keep writers apart from everybody else: the directory's lock
    // is held from before the environment is opened until after it is closed, in every process.
    unsafe { options.flags(flags) };
    loop {
        // SAFETY: the mapped file is changed by holders of the directory's exclusive lock only. Never a writable map
        // (`WRITE_MAP`): with one, a full disk is a signal and not an error.
        match unsafe { options.open(path) } {
            // Another thread of this process reads the same store: LMDB allows one environment per file and process.
            Err(heed::Error::EnvAlreadyOpened) => wait_until_closed(path)?,
            done => return done,
        }
    }
}

fn wait_until_closed(path: &Path) -> heed::Result<()> {
    if let Some(closing) = heed::env_closing_event(path.canonicalize()?) {
        closing.wait();
    }
    Ok(())
}

fn open_tree(env: &Env<WithoutTls>) -> heed::Result<Option<Tree>> {
    let txn = env.read_txn()?;
    env.open_databases_and_commit(txn, |opener, txn| -> heed::Result<_> {
        opener.open_database::<Bytes, Bytes>(txn, None).map(CommitOrAbort::<_, ()>::Commit)
    })
    .map(|tree| tree.commit().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_small_for_a_small_store_and_has_room_for_a_copy_of_a_large_one() {
        assert!(map_size(32 << 10) <= 256 << 20, "{}", map_size(32 << 10));
        for length in [0, 1, 4096, 5 << 20, 1 << 30, 5 << 30] {
            let size = map_size(length) as u64;
            assert!(size >= 2 * length + ROOM && size.is_multiple_of(STEP), "{length}: {size}");
        }
        assert_eq!(map_size(LARGEST_MAP) as u64, LARGEST_MAP);
        assert!(map_size(LARGEST_MAP + 1) as u64 > LARGEST_MAP, "what is there can be read");
        assert_eq!(map_size(u64::MAX), usize::MAX);
    }
}
