//! Who keeps the routes: a locked file that says whether a process does, and does not outlive it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

const FILE: &str = "node.lock";
/// Whoever asks holds a shared lock for some microseconds.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Being the one that keeps the routes of this node, for as long as the value lives.
#[derive(Debug)]
pub struct Keeper {
    _locked: File,
}

/// Why a process cannot become the keeper.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// Another process is.
    #[error("another process{pid} keeps the routes of this node already: it holds the lock on {path:?}")]
    Kept {
        /// The lock's file.
        path: PathBuf,
        /// ` (pid N)`, or nothing if that is not known.
        pid: String,
    },
    /// The file cannot be used.
    #[error("cannot {operation} {path:?}: {source}")]
    Io {
        /// "make", "open", "lock", "write".
        operation: &'static str,
        /// The file or its directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl Keeper {
    /// Locks `node.lock` in the data directory, which is made if it is missing. The kernel unlocks it when the process
    /// ends, however it ends.
    ///
    /// # Errors
    /// [`KeeperError::Kept`] if another process has the lock.
    pub fn take(data_dir: &Path) -> Result<Self, KeeperError> {
        let path = data_dir.join(FILE);
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| KeeperError::Io { operation, path, source }
        };
        // Whoever could open the file could lock it.
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed("make", data_dir))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        if !lock(&file).map_err(failed("lock", &path))? {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            let pid = pid.trim().parse::<u32>().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
            return Err(KeeperError::Kept { path, pid });
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed("write", &path))?;
        Ok(Self { _locked: file })
    }
}

fn lock(file: &File) -> io::Result<bool> {
    for _ in 0..ATTEMPTS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(false)
}

/// Whether a process keeps the routes of the node with this data directory. False if that cannot be found out.
pub fn is_kept(data_dir: &Path) -> bool {
    File::open(data_dir.join(FILE))
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_keeper_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("not/there/yet");
        assert!(!is_kept(&data_dir));
        let keeper = Keeper::take(&data_dir).unwrap();
        assert!(is_kept(&data_dir));
        let error = Keeper::take(&data_dir).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("another process (pid {}) keeps the routes", std::process::id())),
            "{error}"
        );
        drop(keeper);
        assert!(!is_kept(&data_dir));
        Keeper::take(&data_dir).unwrap();
    }
}
