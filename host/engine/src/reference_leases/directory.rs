//! One network's directory, locked as the reference locks it.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags};

use super::LastReserved;
use crate::attachment::AttachmentKey;
use crate::file_lock::{self, Busy, Kind, LockError};

const LOCK: &str = "lock";
/// How the names of its files with the last address begin; the index of a range set follows.
pub(super) const LAST_RESERVED: &str = "last_reserved_ip.";
/// More than an id (255 bytes at most here) and an interface.
const LONGEST_LEASE: u64 = 4096;

/// Why the reference's leases cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    #[error("cannot {operation} {path}, where the reference host-local keeps its leases: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot lock {path}, where the reference host-local keeps its leases: {busy}")]
    Busy {
        path: PathBuf,
        /// Who, and how long that was waited for.
        busy: Busy,
    },
    #[error(
        "{path}: the reference host-local leased this address to container {theirs}, but here container {ours} has \
         it; nothing was written; remove one of the two containers, or the file if its container is gone"
    )]
    Held { path: PathBuf, theirs: String, ours: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub address: IpAddr,
    /// The container, and its interface: empty where a version before 0.8.0 did not write it down.
    pub key: AttachmentKey,
    /// When its file was written: milliseconds since the epoch.
    pub written: u64,
}

/// A file that is named like a lease and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub file: String,
    pub why: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of their addresses.
    pub leases: Vec<Lease>,
    /// In the order of the range sets.
    pub last_reserved: Vec<LastReserved>,
    /// In the order of their names.
    pub left_out: Vec<LeftOut>,
}

/// The directory, open and locked until it is dropped.
#[derive(Debug)]
pub struct Directory {
    files: Dir,
    path: PathBuf,
    /// None on a read-only file system, and for readers.
    _lock: Option<File>,
}

/// Whether a directory holds a lease, looked at without its lock: a hint.
pub fn holds_leases(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(|name| address_of(name).is_some()))
}

/// Whether a directory is one that the reference made for a network.
pub(crate) fn is_networks(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    let is_known = |name: &str| name == LOCK || name.starts_with(LAST_RESERVED) || address_of(name).is_some();
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_known))
}

impl Directory {
    /// Opens and locks a network's directory; waits for the lock. None if there is none.
    ///
    /// # Errors
    /// [`ReferenceError::Io`]
    pub fn find(path: &Path) -> Result<Option<Self>, ReferenceError> {
        let Some(unlocked) = Self::look(path)? else { return Ok(None) };
        let lock = lock(&unlocked.files).map_err(|error| match error {
            LockError::Busy(busy) => ReferenceError::Busy { path: path.join(LOCK), busy },
            LockError::Io(source) => fault("lock", path, source),
        })?;
        Ok(Some(Self { _lock: lock, ..unlocked }))
    }

    /// Opens a network's directory without its lock: enough to see which files are there. None if there is none.
    ///
    /// # Errors
    /// [`ReferenceError::Io`]
    pub fn look(path: &Path) -> Result<Option<Self>, ReferenceError> {
        let files = match Dir::open_ambient_dir(path, ambient_authority()) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            opened => opened.map_err(|source| fault("open", path, source))?,
        };
        Ok(Some(Self { files, path: path.to_owned(), _lock: None }))
    }

    /// The same; makes the directory and its parents if need be.
    ///
    /// # Errors
    /// [`ReferenceError::Io`]
    pub fn create(path: &Path) -> Result<Self, ReferenceError> {
        std::fs::create_dir_all(path).map_err(|source| fault("create", path, source))?;
        Self::find(path)?.ok_or_else(|| fault("open", path, io::ErrorKind::NotFound.into()))
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`ReferenceError::Io`]: a lease that is there and cannot be read is not passed over.
    pub fn read(&self) -> Result<Found, ReferenceError> {
        let mut found = Found::default();
        for entry in self.files.entries().map_err(|source| fault("list", &self.path, source))? {
            let entry = entry.map_err(|source| fault("list", &self.path, source))?;
            // A name that is no text is no address.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if let Some(address) = address_of(&name) {
                self.read_lease(&name, address, &mut found)?;
            } else if let Some(index) = name.strip_prefix(LAST_RESERVED).and_then(|index| index.parse().ok()) {
                // The reference ignores what it cannot read there, too.
                let last = self.text(&name)?.and_then(|(text, _)| text.trim().parse::<IpAddr>().ok());
                found.last_reserved.extend(last.map(|last| (index, last.to_canonical())));
            }
        }
        found.leases.sort_by_key(|lease| lease.address);
        found.last_reserved.sort_unstable();
        found.left_out.sort_by(|one, other| one.file.cmp(&other.file));
        Ok(found)
    }

    fn read_lease(&self, name: &str, address: IpAddr, found: &mut Found) -> Result<(), ReferenceError> {
        let left_out = |why: &str| LeftOut { file: name.to_owned(), why: why.to_owned() };
        match self.text(name)? {
            None => found.left_out.push(left_out("it is not a regular text file")),
            Some((text, written)) => match key_of(&text) {
                Some(key) => found.leases.push(Lease { address, key, written }),
                // Files are made and filled under the lock, so no process is about to fill it.
                None => found.left_out.push(left_out("it is empty: host-local stopped while it wrote the file")),
            },
        }
        Ok(())
    }

    pub(super) fn holder(&self, address: IpAddr) -> Result<Option<AttachmentKey>, ReferenceError> {
        Ok(self.text(&address.to_string())?.and_then(|(text, _)| key_of(&text)))
    }

    /// A file's text, and when it was written. None if it is not there, no regular file, or no text.
    fn text(&self, name: &str) -> Result<Option<(String, u64)>, ReferenceError> {
        let failed = |source| fault("read", &self.path.join(name), source);
        match self.files.symlink_metadata(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if !metadata.is_file() => return Ok(None),
            Ok(_) => {}
        }
        let file = self.files.open(name).map_err(failed)?;
        let written = file.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?.into_std();
        let since = written.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut bytes = Vec::new();
        file.take(LONGEST_LEASE).read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8(bytes).ok();
        Ok(text.map(|text| (text, u64::try_from(since.as_millis()).unwrap_or(u64::MAX))))
    }

    /// Puts a file in its place whole, with the reference's mode, durable when [`Directory::sync`] is done.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<(), ReferenceError> {
        // No lease's name: after a crash it is not taken for one.
        const NEW: &str = ".gingham-new";
        let failed = |source| fault("write", &self.path.join(name), source);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.files.open_with(NEW, &options).map_err(failed)?;
        io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        self.files.rename(NEW, &self.files, name).map_err(failed)
    }

    pub(super) fn remove(&self, address: IpAddr) -> Result<(), ReferenceError> {
        let name = address.to_string();
        self.files.remove_file(&name).map_err(|source| fault("remove", &self.path.join(&name), source))
    }

    /// Makes the names in the directory durable.
    pub(super) fn sync(&self) -> Result<(), ReferenceError> {
        // What is open is a path only.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let done = rustix::fs::openat(&self.files, ".", flags, Mode::empty()).and_then(rustix::fs::fsync);
        done.map_err(|errno| fault("make durable", &self.path, errno.into()))
    }

    pub(super) fn path_of(&self, address: IpAddr) -> PathBuf {
        self.path.join(address.to_string())
    }
}

fn fault(operation: &'static str, path: &Path, source: io::Error) -> ReferenceError {
    ReferenceError::Io { operation, path: path.to_owned(), source }
}

fn lock(files: &Dir) -> Result<Option<File>, LockError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o750);
    let file = match files.open_with(LOCK, &options) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => return Ok(None),
        opened => opened.map_err(LockError::Io)?.into_std(),
    };
    file_lock::lock(&file, Kind::Exclusive)?;
    Ok(Some(file))
}

/// The address a file is named by.
fn address_of(name: &str) -> Option<IpAddr> {
    name.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The holder a file's text names: the reference compares texts without the white space around them.
fn key_of(text: &str) -> Option<AttachmentKey> {
    let text = text.trim();
    let (container_id, interface) = text.split_once("\r\n").unwrap_or((text, ""));
    let key = AttachmentKey { container_id: container_id.trim().to_owned(), interface: interface.trim().to_owned() };
    (!key.container_id.is_empty()).then_some(key)
}

pub(super) fn text_of(key: &AttachmentKey) -> String {
    match key.interface.as_str() {
        "" => key.container_id.clone(),
        interface => format!("{}\r\n{interface}", key.container_id),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(container_id: &str, interface: &str) -> AttachmentKey {
        AttachmentKey { container_id: container_id.to_owned(), interface: interface.to_owned() }
    }

    #[test]
    fn all_forms_of_a_lease_are_read() {
        assert_eq!(key_of("dummy\r\neth0"), Some(key("dummy", "eth0")));
        assert_eq!(key_of(" dummy\n"), Some(key("dummy", "")), "before 0.8.0");
        assert_eq!(key_of("\r\n"), None);
        assert_eq!(address_of("2001:db8:1::2"), Some("2001:db8:1::2".parse().unwrap()));
        assert_eq!(address_of("::ffff:10.0.0.1"), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(address_of("lock"), None);
    }

    #[test]
    fn a_directory_is_read_whole_and_what_is_no_lease_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mynet");
        assert!(Directory::find(&path).unwrap().is_none());
        std::fs::create_dir_all(path.join("10.0.0.9")).unwrap();
        for (name, text) in [
            ("10.0.0.10", "b\r\neth0"),
            ("10.0.0.2", "a"),
            ("fd00::2", "b\r\neth0"),
            ("10.0.0.4", ""),
            ("last_reserved_ip.0", "10.0.0.10"),
            ("last_reserved_ip.1", "nonsense"),
            ("README", "x"),
        ] {
            std::fs::write(path.join(name), text).unwrap();
        }
        let found = Directory::find(&path).unwrap().unwrap().read().unwrap();
        let leases: Vec<String> =
            found.leases.iter().map(|lease| format!("{} {:?}", lease.address, text_of(&lease.key))).collect();
        assert_eq!(leases, [r#"10.0.0.2 "a""#, r#"10.0.0.10 "b\r\neth0""#, r#"fd00::2 "b\r\neth0""#]);
        assert_eq!(found.last_reserved, [(0, "10.0.0.10".parse().unwrap())]);
        assert_eq!(found.left_out.iter().map(|left| left.file.as_str()).collect::<Vec<_>>(), ["10.0.0.4", "10.0.0.9"]);
        assert!(holds_leases(&path));
    }

    #[test]
    fn the_references_lock_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let held = File::create(dir.path().join(LOCK)).unwrap();
        file_lock::lock(&held, Kind::Exclusive).unwrap();
        let path = dir.path().to_owned();
        let (started, is_started) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            started.send(()).unwrap();
            Directory::find(&path).unwrap().unwrap().read().unwrap().leases.len()
        });
        is_started.recv().unwrap();
        // Whenever the other thread gets there, it must not read before this is written and unlocked.
        std::fs::write(dir.path().join("10.0.0.2"), "a\r\neth0").unwrap();
        drop(held);
        assert_eq!(reader.join().unwrap(), 1);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(container in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,70}", interface in "[a-z0-9]{0,15}") {
            let key = key(&container, &interface);
            prop_assert_eq!(key_of(&text_of(&key)), Some(key));
        }
    }
}
