//! Where a toolchain writes what it needs on its way. A build that is interrupted leaves it; the next one begins with it empty,
//! so that nothing grows.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "build";

/// A directory that one build at a time has.
pub(crate) struct WorkDirectory {
    path: PathBuf,
    _lock: File,
}

impl WorkDirectory {
    /// Below a directory that is made if it is not there. Waits while another build of the same policy has it.
    pub(crate) fn open(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        let lock = File::create(parent.join(NAME).with_extension("lock"))?;
        lock.lock()?;
        let path = parent.join(NAME);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next build.
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_build_left_is_gone_with_the_next() {
        let policy = tempfile::tempdir().unwrap();
        let parent = policy.path().join("target");
        let interrupted = WorkDirectory::open(&parent).unwrap();
        fs::write(interrupted.path().join("half"), "").unwrap();
        // As a signal ends a process: the lock is gone, the directory is not.
        let WorkDirectory { _lock: lock, .. } = &interrupted;
        lock.unlock().unwrap();
        let next = WorkDirectory::open(&parent).unwrap();
        assert_eq!(fs::read_dir(next.path()).unwrap().count(), 0);
        drop(next);
        let left: Vec<_> = fs::read_dir(&parent).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["build.lock"]);
    }
}
