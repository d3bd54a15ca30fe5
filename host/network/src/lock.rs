//! Locks between the processes that work on the same leases: files in the data directory. They are taken in this order:
//! of attachments, of the masquerade, of the store. None is waited for without a bound.
//!
//! ADDs share the lock of attachments, so with ADDs in a row GC would never find it free. GC therefore closes a turnstile
//! that every ADD passes on its way to the lock: for a moment only, since an ADD under way may take long, and then again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gingham_engine::file_lock::{self, Busy, Kind};
use gingham_engine::store::Store;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The file whose lock ADDs share and GC has alone.
const ATTACHING: &str = "attaching.lock";

/// The turnstile before it, passed one at a time.
const TURNSTILE: &str = "attaching.turn";

/// The file whose lock is held while a masquerade is made or taken away.
const NAT: &str = "nat.lock";

/// How long GC keeps new ADDs out while it waits for those under way: shorter than an ADD waits.
const TURNSTILE_CLOSED: Duration = Duration::from_secs(2);

/// How long it lets them pass then.
const TURNSTILE_OPEN: Duration = Duration::from_millis(500);

/// How often GC tries that.
const ROUNDS: u32 = 4;

/// Held as long as it lives.
pub struct Lock {
    _file: File,
}

/// What came of asking for a lock without waiting.
pub enum Attempt {
    /// It is ours.
    Had(Lock),
    /// No process has it, and it cannot be made: there is no directory, or nothing can be written.
    NoLock,
    /// Another has it.
    Busy,
}

/// A lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it and does not go on. CNI code 11.
    #[error("cannot lock {}: {busy}", path.display())]
    Busy {
        path: PathBuf,
        /// Who, and how long that was waited for.
        busy: Busy,
    },
    /// It cannot be used. CNI code 5.
    #[error("cannot lock {}: {source}; set `ipam.dataDir` to a directory that Gingham can use", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Waits for the masquerade's lock. It is taken before the store's, never while that is held. None if there is no lock and
/// none can be made: without a writable data directory there are no attachments, and none is about to be.
pub fn nat(directory: &Path) -> Result<Option<Lock>, LockError> {
    wait(directory, NAT, Kind::Exclusive)
}

/// Keeps GC out: between the record of an attachment and its link, GC would free an address that is about to be used.
/// Any number of ADDs at once.
pub fn keep_gc_out(directory: &Path) -> Result<Option<Lock>, LockError> {
    let enter = || {
        // Held until the other lock is had.
        let _turn = wait(directory, TURNSTILE, Kind::Exclusive)?;
        wait(directory, ATTACHING, Kind::Shared)
    };
    match enter()? {
        Some(lock) => Ok(Some(lock)),
        // The first ADD of all.
        None if Store::make_directory(directory).is_ok() => enter(),
        // The store reports it better.
        None => Ok(None),
    }
}

/// Waits until no ADD is under way, and keeps new ones waiting.
pub fn keep_adds_out(directory: &Path) -> Result<Option<Lock>, LockError> {
    let path = directory.join(ATTACHING);
    let Some(file) = open(&path)? else { return Ok(None) };
    let fault = |source| LockError::Io { path: path.clone(), source };
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let turn = wait(directory, TURNSTILE, Kind::Exclusive)?;
        if file_lock::wait(&file, Kind::Exclusive, TURNSTILE_CLOSED).map_err(fault)? {
            return Ok(Some(Lock { _file: file }));
        }
        drop(turn);
        if file_lock::wait(&file, Kind::Exclusive, TURNSTILE_OPEN).map_err(fault)? {
            return Ok(Some(Lock { _file: file }));
        }
    }
    let busy = file_lock::busy(&file, started.elapsed());
    Err(LockError::Busy { path, busy })
}

/// The same without a wait.
pub fn try_keep_adds_out(directory: &Path) -> Result<Attempt, LockError> {
    let path = directory.join(ATTACHING);
    let Some(file) = open(&path)? else { return Ok(Attempt::NoLock) };
    match file_lock::try_lock(&file, Kind::Exclusive) {
        Ok(true) => Ok(Attempt::Had(Lock { _file: file })),
        Ok(false) => Ok(Attempt::Busy),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

fn wait(directory: &Path, name: &str, kind: Kind) -> Result<Option<Lock>, LockError> {
    let path = directory.join(name);
    let Some(file) = open(&path)? else { return Ok(None) };
    match file_lock::lock(&file, kind) {
        Ok(()) => {
            tracing::debug!(path = %path.display(), "lock taken");
            Ok(Some(Lock { _file: file }))
        }
        Err(file_lock::LockError::Busy(busy)) => Err(LockError::Busy { path, busy }),
        Err(file_lock::LockError::Io(source)) => Err(LockError::Io { path, source }),
    }
}

/// Makes the file if need be. None where there is no directory, or nothing can be written.
fn open(path: &Path) -> Result<Option<File>, LockError> {
    // A FIFO in its place would make this wait.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let made = match rustix::fs::open(path, flags | OFlags::CREATE, Mode::RUSR | Mode::WUSR) {
        // A directory can be locked as well.
        Err(Errno::ISDIR) => rustix::fs::open(path, flags, Mode::empty()),
        made => made,
    };
    match made {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ROFS) => Ok(None),
        Err(errno) => Err(LockError::Io { path: path.to_owned(), source: errno.into() }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    /// So many ADDs in a row that one is under way at nearly every moment.
    #[test]
    fn gc_gets_its_turn_beside_adds_in_a_row() {
        let directory = tempfile::tempdir().unwrap();
        let stop = AtomicBool::new(false);
        let adds = || {
            while !stop.load(Ordering::Relaxed) {
                let add = keep_gc_out(directory.path()).unwrap();
                thread::sleep(Duration::from_millis(5));
                drop(add);
            }
        };
        thread::scope(|scope| {
            let adding: Vec<_> = (0..8).map(|_| scope.spawn(adds)).collect();
            thread::sleep(Duration::from_millis(20));
            let alone = keep_adds_out(directory.path());
            stop.store(true, Ordering::Relaxed);
            assert!(alone.unwrap().is_some());
            drop(adding);
        });
    }

    #[test]
    fn an_add_that_does_not_end_is_named_to_gc() {
        let directory = tempfile::tempdir().unwrap();
        let _add = keep_gc_out(directory.path()).unwrap();
        let Err(LockError::Busy { busy, .. }) = keep_adds_out(directory.path()) else { panic!("GC had the lock") };
        assert_eq!(busy.holders[0].pid, std::process::id());
        // Others are served all the same.
        assert!(keep_gc_out(directory.path()).unwrap().is_some());
    }
}
