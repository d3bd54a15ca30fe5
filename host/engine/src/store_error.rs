//! What can go wrong with a store, in words an operator can act on.

use std::io;
use std::path::{Path, PathBuf};

use crate::file_lock::Busy;
use crate::settings::DATA_DIR;

/// Why the store could not do its work. In every case nothing was changed: a transaction is committed whole or not at
/// all. After an error the ledger it came from is only good for dropping.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system has no room, or the user's quota is used up.
    #[error(
        "cannot {operation} {path}: no space is left ({source}); nothing was changed; free space on that file system, \
         or set `dataDir` to a directory on another one"
    )]
    Full {
        operation: &'static str,
        path: PathBuf,
        /// ENOSPC or EDQUOT.
        source: io::Error,
    },
    #[error(
        "cannot {operation} {path}: the file system is read-only; remount it for writing, or set `dataDir` to a \
         directory on another one"
    )]
    ReadOnly { operation: &'static str, path: PathBuf },
    #[error(
        "cannot {operation} {path}: {source}; run Gingham as the user who owns that directory and its files (on a \
         node: root), or set `ipam.dataDir` to a directory of this user"
    )]
    Permission {
        operation: &'static str,
        path: PathBuf,
        /// EACCES or EPERM.
        source: io::Error,
    },
    /// The kernel refused to lock the directory.
    #[error(
        "cannot lock the data directory {path}: {source}; the store needs a local file system that supports flock(2): \
         set `dataDir` to a directory on one"
    )]
    Lock { path: PathBuf, source: io::Error },
    /// Another process holds the lock and does not give it up.
    #[error("cannot lock the data directory {path}: {busy}")]
    Busy {
        path: PathBuf,
        /// Who, and how long that was waited for.
        busy: Busy,
    },
    /// Other users can open the data directory, and so lock it.
    #[error(
        "the data directory {path} is open to other users (mode {mode:04o}), who could block every ADD and DEL, and {why}; \
         {remedy}"
    )]
    Open {
        path: PathBuf,
        mode: u32,
        /// Why its mode is not changed here.
        why: String,
        remedy: String,
    },
    #[error("cannot {operation} {path}: {source}; set `ipam.dataDir` to a directory that Gingham can use")]
    Directory { operation: &'static str, path: PathBuf, source: io::Error },
    /// The process may not write files of that size.
    #[error(
        "cannot {operation} {path}: it reached the limit of a file's size ({source}); nothing was changed; raise the \
         limit (`ulimit -f`, `LimitFSIZE=`) of the program that starts Gingham"
    )]
    FileSize {
        operation: &'static str,
        path: PathBuf,
        /// EFBIG.
        source: io::Error,
    },
    /// A later version of Gingham wrote the store.
    #[error(
        "the lease store {path} has schema {found}; this version of Gingham reads up to schema {known}; install the \
         version that wrote it, or a later one; nothing was changed"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    /// The file is no store of ours, or not a whole one.
    #[error(
        "the lease store {path} is damaged: {what}; ADD hands out no address, because running containers may hold \
         addresses recorded in it; nothing was changed; run `ginghamctl recover{}`",
        of_directory(path)
    )]
    Damaged { path: PathBuf, what: String },
    /// One transaction was larger than the address space that the store is mapped into has room for.
    #[error(
        "cannot change the lease store {path}: one change is larger than the map of the file has room for; nothing \
         was changed; make it in smaller parts, or free stale leases with `ginghamctl gc`"
    )]
    MapFull { path: PathBuf },
    /// A name that does not fit into a key of the store.
    #[error("{what} is {length} bytes long; the store keeps at most {most}")]
    TooLong {
        /// "the container id", "the network's name", …
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most in bytes.
        most: usize,
    },
    /// A name with a NUL byte, which no environment variable can carry.
    #[error("{what} holds a NUL byte")]
    Nul {
        /// "the container id" or "the interface".
        what: &'static str,
    },
    /// An attachment was recorded over another one: a defect of the caller, and refused here so that it can never give
    /// one address to two containers.
    #[error("{what} is recorded already: a defect in Gingham, please report it; nothing was changed")]
    Conflict { what: String },
    /// A transaction is used after its end. The types of the store forbid it; a caller that gives a ledger away may see it.
    #[error("the open transaction was lost: a defect in Gingham, please report it; nothing was changed")]
    Lost,
    /// Anything else the kernel or LMDB reports.
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
}

/// The option of `ginghamctl` that names a store's directory, if it is not the usual one.
fn of_directory(file: &Path) -> String {
    match file.parent() {
        Some(directory) if directory != Path::new(DATA_DIR) => format!(" --data-dir {}", directory.display()),
        _ => String::new(),
    }
}
