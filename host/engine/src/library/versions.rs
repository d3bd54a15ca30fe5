//! Compiled forms of several versions side by side: an upgrade makes those of the new one while the old one runs.

use std::fs::File as StdFile;
use std::time::Duration;

use super::{Digest, Library, LibraryError, artefact_key, io};
use crate::file_lock::{self, Busy, Kind};

/// How often a waiter looks who else compiles, and after how long it gives up: a policy with an interpreter in it takes a
/// minute or two on a small machine.
const LOOK: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_mins(15);

/// While it lives, no other process compiles for this library and this version.
#[derive(Debug)]
pub struct CompilationLock {
    _directory: StdFile,
}

impl Library {
    /// Waits until no other process compiles for this version, so that nothing is compiled twice: look whether it is there
    /// by now. `waiting` is called once if there is somebody to wait for.
    ///
    /// # Errors
    /// [`LibraryError::Busy`] after a quarter of an hour.
    pub fn lock_compilation(&mut self, waiting: impl FnOnce(&Busy)) -> Result<CompilationLock, LibraryError> {
        self.create()?;
        let path = version_dir(&artefact_key());
        let failed = |source| io("lock", &path, source);
        // A file of its own would have to be removed at some time; the directory stays. A capability cannot be locked.
        let directory = StdFile::open(self.path.join(&path)).map_err(failed)?;
        if file_lock::try_lock(&directory, Kind::Exclusive).map_err(failed)? {
            return Ok(CompilationLock { _directory: directory });
        }
        waiting(&file_lock::busy(&directory, Duration::ZERO));
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            if file_lock::wait(&directory, Kind::Exclusive, LOOK).map_err(failed)? {
                return Ok(CompilationLock { _directory: directory });
            }
            waited += LOOK;
        }
        Err(file_lock::busy(&directory, waited).into())
    }

    /// The other versions that this library has compiled forms for, in order.
    pub fn other_versions(&self) -> Result<Vec<String>, LibraryError> {
        let Some(root) = &self.root else { return Ok(Vec::new()) };
        let entries = match root.read_dir("compiled") {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io("list", "compiled", source)),
        };
        let mut versions = Vec::new();
        for entry in entries {
            let name = entry.map_err(|source| io("list", "compiled", source))?.file_name();
            versions.extend(name.into_string().ok().filter(|name| *name != artefact_key()));
        }
        versions.sort();
        Ok(versions)
    }

    /// Removes the compiled forms of all other versions, and returns which. Programs of those versions that still run
    /// find no policy from now on.
    pub fn remove_other_versions(&mut self) -> Result<Vec<String>, LibraryError> {
        let versions = self.other_versions()?;
        for version in &versions {
            let path = version_dir(version);
            self.root()?.remove_dir_all(&path).map_err(|source| io("remove", &path, source))?;
        }
        Ok(versions)
    }

    /// Removes the compiled forms of a component, those of other versions as well.
    pub(super) fn remove_compiled(&self, digest: &Digest) -> Result<(), LibraryError> {
        for version in self.other_versions()?.iter().chain([&artefact_key()]) {
            self.unlink(&compiled_path(version, digest))?;
            self.unlink(&record_path(version, digest))?;
        }
        Ok(())
    }
}

fn version_dir(version: &str) -> String {
    format!("compiled/{version}")
}

pub(super) fn compiled_path(version: &str, digest: &Digest) -> String {
    format!("compiled/{version}/{}.cwasm", digest.hex())
}

pub(super) fn record_path(version: &str, digest: &Digest) -> String {
    format!("compiled/{version}/{}.json", digest.hex())
}
