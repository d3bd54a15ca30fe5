//! The library of installed policies: components by digest, their compiled forms by digest and compiler, names.
//!
//! ```text
//! components/HEX.wasm            what was installed, kept so that an upgrade can compile it again
//! compiled/KEY/HEX.cwasm         machine code made from it; KEY tells compiler, version and processor
//! compiled/KEY/HEX.json          its digest and what file it was, so that other code is never run in its place
//! names/NAME.json                which digest a name stands for
//! ```
//! Every file is written beside its place, synced and renamed, so a reader sees all of it or nothing.

mod copies;
mod digest;
mod error;
mod file;
mod provenance;
mod record;
mod versions;

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use serde::{Deserialize, Serialize};

use crate::runtime::config::{ARTEFACT_KEY, TARGET};
use crate::runtime::{Policy, Runtime};
pub use digest::Digest;
pub use error::LibraryError;
use error::io;
use file::{is_trusted, open_regular};
pub use provenance::{Provenance, Signer};
use record::Record;
pub use versions::CompilationLock;

const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

pub const LIBRARY_DIR: &str = "/var/lib/gingham/policies";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether DEL calls it.
    pub has_release: bool,
    /// When it was installed: milliseconds since the epoch.
    pub installed_at: u64,
}

/// The directory of installed policies. One that does not exist is an empty library until something is installed.
pub struct Library {
    path: PathBuf,
    root: Option<Dir>,
}

impl Library {
    /// Opens a library.
    ///
    /// # Errors
    /// [`LibraryError::Io`] if it exists and cannot be opened.
    pub fn open(path: &Path) -> Result<Self, LibraryError> {
        let root = match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(root) => Some(root),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(io("open", &path.display().to_string(), source)),
        };
        Ok(Self { path: path.to_owned(), root })
    }

    /// What a name stands for, if it is installed.
    pub fn find(&self, name: &str) -> Result<Option<Installed>, LibraryError> {
        if !is_name(name) {
            return Ok(None);
        }
        let path = name_path(name);
        let Some(bytes) = self.read(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| LibraryError::Damaged { path, reason: error.to_string() })
    }

    /// All names, in order. A damaged name file is no reason to show none: see [`Self::damaged`].
    pub fn list(&self) -> Result<Vec<(String, Installed)>, LibraryError> {
        let found = self.names()?.into_iter().filter_map(|name| {
            let installed = self.find(&name).ok().flatten()?;
            Some((name, installed))
        });
        Ok(found.collect())
    }

    /// What is wrong with name files that cannot be read.
    pub fn damaged(&self) -> Result<Vec<LibraryError>, LibraryError> {
        Ok(self.names()?.iter().filter_map(|name| self.find(name).err()).collect())
    }

    fn names(&self) -> Result<Vec<String>, LibraryError> {
        let Some(root) = &self.root else { return Ok(Vec::new()) };
        let entries = match root.read_dir("names") {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(io("list", "names", source)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(|source| io("list", "names", source))?.file_name();
            names.extend(file.to_str().and_then(|file| file.strip_suffix(".json")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Loads the compiled form of an installed policy.
    ///
    /// # Errors
    /// [`LibraryError::NotCompiled`] after an upgrade, [`LibraryError::Untrusted`], [`LibraryError::NotWhatWasCompiled`],
    /// [`LibraryError::Load`].
    pub fn load(&self, runtime: &Runtime, name: &str, installed: &Installed) -> Result<Policy, LibraryError> {
        self.load_compiled(runtime, name, &installed.digest)
    }

    /// [`Self::load`] by what a name stands for.
    pub fn load_compiled(&self, runtime: &Runtime, name: &str, digest: &Digest) -> Result<Policy, LibraryError> {
        let path = compiled_path(digest);
        let not_compiled = || LibraryError::NotCompiled { name: name.to_owned(), key: artefact_key() };
        let root = self.root.as_ref().ok_or_else(not_compiled)?;
        let file = match open_regular(root, &path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_compiled()),
            Err(source) => return Err(io("open", &path, source)),
        };
        self.check_trust(&file, &path)?;
        let fits = |record: &Record| record.fits(digest, &file);
        if !self.fits(digest, fits)? {
            return Err(LibraryError::NotWhatWasCompiled { name: name.to_owned(), path, digest: digest.clone() });
        }
        // Through the open file, so that what was checked is what is loaded.
        let through = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // SAFETY: only root could have written it, and this project's tool replaces files by renaming.
        Ok(unsafe { runtime.load_file(name, &through) }?)
    }

    pub fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>, LibraryError> {
        self.read(&component_path(digest))
    }

    /// Whether the compiled form for this version is there and whole: every byte of it is read.
    pub fn is_compiled(&self, digest: &Digest) -> bool {
        let Some(file) = self.root.as_ref().and_then(|root| open_regular(root, &compiled_path(digest)).ok()) else {
            return false;
        };
        self.fits(digest, |record| record.fits_wholly(digest, &file)).unwrap_or(false)
    }

    /// Whether the record of a compiled form says that the file at hand is it. Without a record nothing is.
    fn fits(
        &self,
        digest: &Digest,
        file_fits: impl FnOnce(&Record) -> std::io::Result<bool>,
    ) -> Result<bool, LibraryError> {
        let path = record_path(digest);
        let Some(bytes) = self.read(&path)? else { return Ok(false) };
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) => file_fits(&record).map_err(|source| io("read", &compiled_path(digest), source)),
            Err(_) => Ok(false),
        }
    }

    /// Installs a component with its compiled form under a name; a name in use changes its meaning immediately.
    ///
    /// # Errors
    /// [`LibraryError`]; the name still means what it meant.
    pub fn install(
        &mut self,
        name: &str,
        component: &[u8],
        artefact: &[u8],
        installed: &Installed,
    ) -> Result<(), LibraryError> {
        self.install_from(name, component, artefact, installed, &Provenance::default())
    }

    /// The same, and records where it came from.
    ///
    /// # Errors
    /// [`LibraryError`]; the name still means what it meant.
    pub fn install_from(
        &mut self,
        name: &str,
        component: &[u8],
        artefact: &[u8],
        installed: &Installed,
        provenance: &Provenance,
    ) -> Result<(), LibraryError> {
        if !is_name(name) {
            return Err(LibraryError::BadName { name: name.to_owned() });
        }
        self.store_compiled(&installed.digest, artefact)?;
        self.install_compiled(name, component, installed, provenance)
    }

    /// The same for a component whose compiled form is there already.
    ///
    /// # Errors
    /// [`LibraryError`]; the name still means what it meant.
    pub fn install_compiled(
        &mut self,
        name: &str,
        component: &[u8],
        installed: &Installed,
        provenance: &Provenance,
    ) -> Result<(), LibraryError> {
        if !is_name(name) {
            return Err(LibraryError::BadName { name: name.to_owned() });
        }
        self.create()?;
        self.write(&component_path(&installed.digest), component)?;
        self.record(name, installed, provenance)
    }

    /// The digest of a component's compiled form, as it was when it was stored.
    pub fn compiled_digest(&self, digest: &Digest) -> Result<Option<Digest>, LibraryError> {
        let path = record_path(digest);
        let Some(bytes) = self.read(&path)? else { return Ok(None) };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|error| LibraryError::Damaged { path, reason: error.to_string() })?;
        Ok(Some(record.compiled().clone()))
    }

    /// Stores the compiled form of an installed component.
    pub fn store_compiled(&mut self, digest: &Digest, artefact: &[u8]) -> Result<(), LibraryError> {
        self.create()?;
        let path = compiled_path(digest);
        self.write(&path, artefact)?;
        let meta = self.root()?.metadata(&path).map_err(|source| io("inspect", &path, source))?;
        let path = record_path(digest);
        let json = serde_json::to_vec(&Record::new(digest, artefact, &meta))
            .map_err(|error| LibraryError::Damaged { path: path.clone(), reason: error.to_string() })?;
        self.write(&path, &json)
    }

    /// Forgets a name, and the files no other name needs. Says whether the name was there.
    pub fn remove(&mut self, name: &str) -> Result<bool, LibraryError> {
        let installed = match self.find(name) {
            // Which component was its own cannot be known; that stays.
            Err(LibraryError::Damaged { .. }) => return self.unlink(&name_path(name)).map(|()| true),
            found => found?,
        };
        let Some(installed) = installed else { return Ok(false) };
        self.unlink(&name_path(name))?;
        let is_same = |(_, other): &(String, Installed)| other.digest == installed.digest;
        // A damaged name file may have stood for it, too.
        let still_used = self.list()?.iter().any(is_same) || !self.damaged()?.is_empty();
        if !still_used {
            self.unlink(&component_path(&installed.digest))?;
            self.remove_compiled(&installed.digest)?;
        }
        Ok(true)
    }

    fn create(&mut self) -> Result<(), LibraryError> {
        if self.root.is_none() {
            let shown = self.path.display().to_string();
            let authority = ambient_authority();
            make_private(&self.path).map_err(|source| io("create", &shown, source))?;
            self.root =
                Some(Dir::open_ambient_dir(&self.path, authority).map_err(|source| io("open", &shown, source))?);
        }
        let root = self.root()?;
        for dir in ["components", "compiled", &format!("compiled/{}", artefact_key()), "names"] {
            match root.create_dir_with(dir, DirBuilder::new().mode(PRIVATE_DIR)) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(io("create", dir, error));
                }
                _ => {}
            }
        }
        // Here, too: who installs is told, not only each ADD afterwards.
        self.require_trusted_directories()
    }

    fn root(&self) -> Result<&Dir, LibraryError> {
        let gone = || io("open", ".", std::io::ErrorKind::NotFound.into());
        self.root.as_ref().ok_or_else(gone)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, LibraryError> {
        let Some(root) = &self.root else { return Ok(None) };
        let mut file = match open_regular(root, path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(io("open", path, source)),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| io("read", path, source))?;
        Ok(Some(bytes))
    }

    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), LibraryError> {
        let root = self.root()?;
        let beside = format!("{path}.new-{}", std::process::id());
        let written = (|| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(PRIVATE_FILE);
            let mut file = root.open_with(&beside, &options)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            root.rename(&beside, root, path)?;
            let directory = path.rsplit_once('/').map_or(".", |(directory, _)| directory);
            // A directory opened as such is a capability only, and cannot be synced.
            root.open(directory)?.sync_all()
        })();
        written.map_err(|source| {
            // Best effort: the error that matters is the one at hand.
            drop(root.remove_file(&beside));
            io("write", path, source)
        })
    }

    fn unlink(&self, path: &str) -> Result<(), LibraryError> {
        match self.root()?.remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", path, error)),
            _ => Ok(()),
        }
    }

    /// Machine code must be root's, and so must the directories it is found through.
    fn check_trust(&self, file: &File, path: &str) -> Result<(), LibraryError> {
        let meta = file.metadata().map_err(|source| io("inspect", path, source))?;
        if !is_trusted(&meta) {
            return Err(LibraryError::Untrusted { path: self.path.join(path) });
        }
        self.require_trusted_directories()
    }

    fn require_trusted_directories(&self) -> Result<(), LibraryError> {
        let root = self.root()?;
        let key_dir = format!("compiled/{}", artefact_key());
        for dir in [".", "compiled", &key_dir, "names"] {
            let meta = root.metadata(dir).map_err(|source| io("inspect", dir, source))?;
            if !is_trusted(&meta) {
                let path = if dir == "." { self.path.clone() } else { self.path.join(dir) };
                return Err(LibraryError::Untrusted { path });
            }
        }
        Ok(())
    }
}

/// Makes a directory for its owner alone, and so the one above it, which is the data directory of leases as a rule: any process that
/// can open that can lock it.
fn make_private(path: &Path) -> std::io::Result<()> {
    let make = |path: &Path, mode| std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    if let Some(parent) = path.parent() {
        parent.parent().map_or(Ok(()), |above| make(above, 0o755))?;
        make(parent, PRIVATE_DIR)?;
    }
    make(path, PRIVATE_DIR)
}

/// What artefacts of this build are filed under.
pub fn artefact_key() -> String {
    format!("{ARTEFACT_KEY}-{}", TARGET.split('-').next().unwrap_or_default())
}

fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn name_path(name: &str) -> String {
    format!("names/{name}.json")
}

fn component_path(digest: &Digest) -> String {
    format!("components/{}.wasm", digest.hex())
}

fn compiled_path(digest: &Digest) -> String {
    versions::compiled_path(&artefact_key(), digest)
}

fn record_path(digest: &Digest) -> String {
    versions::record_path(&artefact_key(), digest)
}
