//! The data directory: opened once as a capability, and locked as long as anything in it is open.
//!
//! The lock is a `flock(2)` on the directory itself. There is no lock file that could be deleted under a holder,
//! none to create on a read-only disk, and the kernel releases it when the holder dies, in whatever way. Waiters sleep
//! in the kernel, not without a bound ([`file_lock`]). Whoever can open the directory can lock it, so it is closed to
//! other users before it is used. It closes LMDB's race between one process that opens an environment and another that closes it, makes
//! reader slots and process ids irrelevant, and is why LMDB's own lock is left off.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::StoreError;
use super::private;
use crate::file_lock::{self, Kind, LockError};

/// The open, locked directory. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct Directory {
    files: Dir,
    path: PathBuf,
}

impl Directory {
    /// Opens the directory for writing and locks it; waits for the lock. Makes it (mode 0700) and its parents (0755) if
    /// they are missing, and closes it to other users if it is there.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        if let Some(found) = Self::find(path, Kind::Exclusive)? {
            return Ok(found);
        }
        private::make(path)?;
        let fault = |source| StoreError::directory("create the data directory", path, source);
        Self::find(path, Kind::Exclusive)?.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))
    }

    /// Opens and locks the directory; waits for the lock. None if there is no such directory. A reader changes nothing.
    pub(super) fn find(path: &Path, kind: Kind) -> Result<Option<Self>, StoreError> {
        let fault = |source| StoreError::directory("open the data directory", path, source);
        loop {
            let directory = match open_directory(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened.map_err(fault)?,
            };
            if kind == Kind::Exclusive {
                private::close(&directory, path)?;
            }
            file_lock::lock(&directory, kind).map_err(|error| match error {
                LockError::Busy(busy) => StoreError::Busy { path: path.to_owned(), busy },
                LockError::Io(source) => StoreError::Lock { path: path.to_owned(), source },
            })?;
            // While this waited, another process may have put another directory in its place.
            let locked = directory.metadata().map_err(fault)?;
            let named = std::fs::metadata(path);
            if named.is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino())) {
                return Ok(Some(Self { files: Dir::from_std_file(directory), path: path.to_owned() }));
            }
        }
    }

    pub(super) fn files(&self) -> &Dir {
        &self.files
    }

    /// The full path of a file here, for messages and for LMDB, which opens nothing but paths.
    pub(super) fn path_of(&self, file: &str) -> PathBuf {
        self.path.join(file)
    }

    /// Whether the file system refuses to take any more for lack of space, and in which words.
    pub(super) fn full(&self) -> Option<io::Error> {
        const PROBE: u64 = 256 << 10;
        // The file has no name and is gone when it is closed.
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let probe = rustix::fs::openat(&self.files, ".", flags, Mode::RUSR | Mode::WUSR);
        let taken = probe.and_then(|probe| rustix::fs::fallocate(probe, FallocateFlags::empty(), 0, PROBE));
        match taken {
            Err(errno @ (Errno::NOSPC | Errno::DQUOT)) => Some(errno.into()),
            _ => None,
        }
    }

    /// Makes the names in the directory durable, and the directory's own name and those of its parents, which may be
    /// as new. Stops at the mount point: that was not made here.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let fault = |source| StoreError::directory("make durable the data directory", &self.path, source);
        sync_names(&self.files).map_err(fault)?;
        let path = self.path.canonicalize().map_err(fault)?;
        let device = self.files.dir_metadata().map_err(fault).map(|of| cap_std::fs::MetadataExt::dev(&of))?;
        for parent in path.ancestors().skip(1) {
            // A parent that may not be read was not made here either.
            let Ok(parent) = open_directory(parent) else { break };
            if parent.metadata().map_err(fault)?.dev() != device {
                break;
            }
            sync_names(&parent).map_err(fault)?;
        }
        Ok(())
    }
}

pub(super) fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn sync_names(directory: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        // Some file systems have nothing to sync for a directory and report it this way.
        Err(Errno::INVAL) => Ok(()),
        done => Ok(done?),
    }
}
