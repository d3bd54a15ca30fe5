//! The LMDB environment in a locked directory, and the checks a file has to pass before it is believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::MetadataExt as _;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithoutTls};
use rustix::fs::fstat;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::{StoreError, key};

/// The store's file in the data directory.
pub(super) const FILE: &str = "leases.mdb";
/// A store in the making; worth nothing until it is renamed.
pub(super) const NEW_FILE: &str = "leases.new";

/// How much address space the store is mapped into, and therefore the most it can grow to. It costs neither memory nor
/// disk: pages are mapped when they are read, and the file has the size of what is in it. 16 GiB hold about forty
/// million leases. (Half a gigabyte where addresses have 32 bits.)
#[cfg(target_pointer_width = "64")]
pub(super) const MAP_SIZE: usize = 16 << 30;
#[cfg(not(target_pointer_width = "64"))]
pub(super) const MAP_SIZE: usize = 512 << 20;

/// The version of the tables described in [`super`].
pub(super) const SCHEMA: u32 = 1;

/// All tables are one tree: an ADD that changes six of them then writes fewer pages.
pub(super) type Tree = Database<'static, Bytes, Bytes>;

/// What the store says about itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The version of its tables.
    pub(super) schema: u32,
    /// The boot all its attachments are of; empty until the directory is known to be durable.
    pub(super) boot: String,
    /// When it was made: milliseconds since the epoch.
    pub(super) created: u64,
}

/// What an environment is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Under an exclusive lock.
    Write,
    /// Under a shared lock.
    Read,
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
    /// Opens the store of a locked directory, if there is one. Nothing may be read before [`Self::settle`] (writers) or
    /// [`Self::is_short`] (readers) said that the file is whole.
    pub(super) fn open(directory: &Arc<Directory>, access: Access) -> Result<Option<Self>, StoreError> {
        let path = directory.path_of(FILE);
        let expected = match directory.files().symlink_metadata(FILE) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|source| StoreError::io("look at the lease store", &path, source))?,
        };
        if !expected.is_file() {
            return Err(StoreError::damaged(&path, "it is no regular file"));
        }
        // LMDB takes an empty file for a new store; ours is never empty, so its leases are lost.
        if expected.len() == 0 {
            return Err(StoreError::damaged(&path, "it is empty"));
        }
        let opened = Self::open_file(directory, FILE, access)?;
        opened.check_identity(expected.dev(), expected.ino())?;
        Ok(Some(opened))
    }

    /// Makes a new, empty environment beside the store.
    pub(super) fn create(directory: &Arc<Directory>) -> Result<Self, StoreError> {
        match directory.files().remove_file(NEW_FILE) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove the unfinished", &directory.path_of(NEW_FILE), error))
            }
            _ => Self::open_file(directory, NEW_FILE, Access::Write),
        }
    }

    fn open_file(directory: &Arc<Directory>, file: &str, access: Access) -> Result<Self, StoreError> {
        let path = directory.path_of(file);
        let env = open_lmdb(&path, access).map_err(|error| StoreError::lmdb("open the lease store", &path, error))?;
        let tree = open_tree(&env)
            .map_err(|error| StoreError::lmdb("read the lease store", &path, error))?
            .ok_or_else(|| StoreError::damaged(&path, "it has no tables"))?;
        Ok(Self { env, tree, path, directory: Arc::clone(directory) })
    }

    /// LMDB opens paths, not files in a directory somebody holds: make sure both are the same file.
    fn check_identity(&self, device: u64, inode: u64) -> Result<(), StoreError> {
        let fault = |source| StoreError::io("look at the lease store", &self.path, source);
        let file =
            self.env.try_clone_inner_file().map_err(|e| StoreError::lmdb("read the lease store", &self.path, e))?;
        let opened = fstat(&file).map_err(|errno| fault(errno.into()))?;
        if (opened.st_dev, opened.st_ino) == (device, inode) {
            return Ok(());
        }
        Err(fault(std::io::Error::other("it was replaced while it was being opened; try again")))
    }

    /// Whether pages are missing at the end of the file; see [`Self::settle`].
    pub(super) fn is_short(&self) -> Result<bool, StoreError> {
        Ok(self.missing_length()?.is_some())
    }

    /// The length the file should have, if it is shorter. Reading a mapped page beyond the end of a file kills the
    /// process with SIGBUS, so nothing is read before this is settled.
    fn missing_length(&self) -> Result<Option<u64>, StoreError> {
        let page = u64::from(self.env.unnamed_database_stat().page_size);
        if !page.is_power_of_two() || !(512..=65536).contains(&page) {
            return Err(StoreError::damaged(&self.path, "its header is not LMDB's"));
        }
        let pages = u64::try_from(self.env.info().last_page_number).unwrap_or(u64::MAX).saturating_add(1);
        let needed = pages.saturating_mul(page);
        let length =
            self.env.real_disk_size().map_err(|e| StoreError::lmdb("look at the lease store", &self.path, e))?;
        Ok((length < needed).then_some(needed))
    }

    /// A file shorter than its pages is either cut off, or LMDB took pages at its end in the last transaction and did
    /// not need them in the end: those it does not write. (The writer lengthens the file right afterwards, but it may
    /// have been killed.) To tell the two apart, lengthen the file, which makes missing pages read as zeros, and read
    /// everything: LMDB refuses a zeroed page.
    pub(super) fn settle(&self) -> Result<(), StoreError> {
        let fault = |source| StoreError::io("lengthen the lease store", &self.path, source);
        let Some(needed) = self.missing_length()? else { return Ok(()) };
        let file =
            self.directory.files().open_with(FILE, cap_std::fs::OpenOptions::new().write(true)).map_err(fault)?;
        let length = file.metadata().map_err(fault)?.len();
        file.set_len(needed).map_err(fault)?;
        self.read_everything().map_err(|error| {
            // The shorter length is the proof of what happened; without it the next one would have to guess.
            let _ = file.set_len(length);
            StoreError::damaged(&self.path, format!("it has {length} of at least {needed} bytes ({error})"))
        })
    }

    fn read_everything(&self) -> heed::Result<()> {
        let txn = self.env.read_txn()?;
        for entry in self.tree.iter(&txn)? {
            entry?;
        }
        Ok(())
    }

    pub(super) fn meta(&self) -> Result<Meta, StoreError> {
        let txn = self.read()?;
        let bytes =
            self.tree.get(&txn, key::META).map_err(|e| StoreError::lmdb("read the lease store", &self.path, e))?;
        let bytes = bytes.ok_or_else(|| StoreError::damaged(&self.path, "it is another program's LMDB file"))?;
        let meta: Meta = serde_json::from_slice(bytes).map_err(|error| {
            StoreError::damaged(&self.path, format!("its description of itself is broken ({error})"))
        })?;
        if meta.schema > SCHEMA {
            return Err(StoreError::Newer { path: self.path.clone(), found: meta.schema, known: SCHEMA });
        }
        Ok(meta)
    }

    /// After a commit: keeps the promise of [`Self::settle`]. Failing is harmless, the next one to open it settles it.
    pub(super) fn lengthen(&self) {
        let Ok(Some(needed)) = self.missing_length() else { return };
        if let Ok(file) = self.env.try_clone_inner_file() {
            let _ = file.set_len(needed);
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

    /// The store's file, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn open_lmdb(path: &Path, access: Access) -> heed::Result<Env<WithoutTls>> {
    let mut options = EnvOpenOptions::new().read_txn_without_tls();
    options.map_size(MAP_SIZE);
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
