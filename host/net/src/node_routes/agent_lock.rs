//! The lock file of the node agent: it shows whether an agent runs. The kernel unlocks it when the process ends.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

const FILE: &str = "node.lock";
/// [`is_agent_running`] holds a shared lock for some microseconds.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Held by the one agent of a node, for as long as the value lives.
#[derive(Debug)]
pub struct AgentLock {
    _locked: File,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentLockError {
    #[error("cannot lock {path:?}: another gingham-node{pid} runs on this node; stop it first")]
    Held {
        path: PathBuf,
        /// ` (pid N)`, or nothing if it is unknown.
        pid: String,
    },
    #[error("cannot {operation} {path:?}: {source}")]
    Io {
        /// "create", "open", "lock" or "write".
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl AgentLock {
    /// Locks `node.lock` in the data directory, which is created if it is missing.
    pub fn take(data_dir: &Path) -> Result<Self, AgentLockError> {
        let path = data_dir.join(FILE);
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| AgentLockError::Io { operation, path, source }
        };
        // Any process that can open the file can lock it.
        DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(failed("create", data_dir))?;
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
            return Err(AgentLockError::Held { path, pid });
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

/// False also if the lock file cannot be read.
pub fn is_agent_running(data_dir: &Path) -> bool {
    File::open(data_dir.join(FILE))
        .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_agent_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("not/there/yet");
        assert!(!is_agent_running(&data_dir));
        let lock = AgentLock::take(&data_dir).unwrap();
        assert!(is_agent_running(&data_dir));
        let error = AgentLock::take(&data_dir).unwrap_err().to_string();
        assert!(error.contains(&format!("another gingham-node (pid {}) runs", std::process::id())), "{error}");
        drop(lock);
        assert!(!is_agent_running(&data_dir));
        AgentLock::take(&data_dir).unwrap();
    }
}
