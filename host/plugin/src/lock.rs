//! Locks between the processes that work on the same leases: files in the data directory. They are taken in this order:
//! of attachments, of the masquerade, of the store.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::store::Store;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The file whose lock ADDs share and GC has alone.
const ATTACHING: &str = "attaching.lock";

/// The file whose lock is held while a masquerade is made or taken away.
const NAT: &str = "nat.lock";

/// Held as long as it lives.
pub(crate) struct Lock {
    _file: File,
}

/// What came of asking for a lock without waiting.
pub(crate) enum Attempt {
    /// It is ours.
    Had(Lock),
    /// Nobody has it, and it cannot be made: there is no directory, or nothing can be written.
    NoLock,
    /// Another has it.
    Busy,
}

/// A lock cannot be had. CNI code 5.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {}: {source}", path.display())]
pub struct LockError {
    /// The file.
    path: PathBuf,
    /// The system's word.
    source: io::Error,
}

/// Waits for the masquerade's lock. It is taken before the store's, never while that is held. None if there is no lock and
/// none can be made: without a writable data directory nobody is attached, and nobody is about to be.
pub(crate) fn nat(directory: &Path) -> Result<Option<Lock>, LockError> {
    wait(directory, NAT, FlockOperation::LockExclusive)
}

/// Keeps GC out: between the record of an attachment and its link, GC would free an address that is about to be used.
/// Any number of ADDs at once.
pub(crate) fn keep_gc_out(directory: &Path) -> Result<Option<Lock>, LockError> {
    match wait(directory, ATTACHING, FlockOperation::LockShared)? {
        Some(lock) => Ok(Some(lock)),
        // The first ADD of all.
        None if Store::make_directory(directory).is_ok() => wait(directory, ATTACHING, FlockOperation::LockShared),
        // The store has the better words for it.
        None => Ok(None),
    }
}

/// Waits until no ADD is under way, and keeps new ones waiting.
pub(crate) fn keep_adds_out(directory: &Path) -> Result<Option<Lock>, LockError> {
    wait(directory, ATTACHING, FlockOperation::LockExclusive)
}

/// The same without a wait.
pub(crate) fn try_keep_adds_out(directory: &Path) -> Result<Attempt, LockError> {
    match wait(directory, ATTACHING, FlockOperation::NonBlockingLockExclusive) {
        Ok(Some(lock)) => Ok(Attempt::Had(lock)),
        Ok(None) => Ok(Attempt::NoLock),
        Err(error) if error.source.kind() == io::ErrorKind::WouldBlock => Ok(Attempt::Busy),
        Err(error) => Err(error),
    }
}

fn wait(directory: &Path, name: &str, operation: FlockOperation) -> Result<Option<Lock>, LockError> {
    let path = directory.join(name);
    let Some(file) = open(&path)? else { return Ok(None) };
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, operation))
        .map_err(|errno| LockError { path: path.clone(), source: errno.into() })?;
    Ok(Some(Lock { _file: file }))
}

/// Makes the file if need be. None where there is no directory, or nothing can be written.
fn open(path: &Path) -> Result<Option<File>, LockError> {
    let flags = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::NOENT | Errno::ROFS) => Ok(None),
        Err(errno) => Err(LockError { path: path.to_owned(), source: errno.into() }),
    }
}
