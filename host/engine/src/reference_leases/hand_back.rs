//! Leases of ours become the reference's.

use std::net::IpAddr;
use std::path::Path;

use super::directory::{Directory, LAST_RESERVED, ReferenceError, text_of};
use super::{LastReserved, Lease};
use crate::attachment::AttachmentKey;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandedBack {
    pub written: Vec<Lease>,
    pub known: Vec<Lease>,
}

/// Writes leases into a network's directory, durable when this returns. Files of other addresses stay.
///
/// # Errors
/// [`ReferenceError::Held`] if another container has one of the addresses there: then nothing was written.
/// [`ReferenceError::Io`]: then some may have been, and a repetition writes the others.
pub fn hand_back(path: &Path, leases: &[Lease], last: &[LastReserved]) -> Result<HandedBack, ReferenceError> {
    let directory = Directory::create(path)?;
    let mut handed = HandedBack::default();
    for lease in leases {
        match directory.holder(lease.address)? {
            None => handed.written.push(lease.clone()),
            Some(theirs) if is_same(&theirs, &lease.key) => handed.known.push(lease.clone()),
            Some(theirs) => {
                return Err(ReferenceError::Held {
                    path: directory.path_of(lease.address),
                    theirs: theirs.container_id,
                    ours: lease.key.container_id.clone(),
                });
            }
        }
    }
    for lease in &handed.written {
        directory.put(&lease.address.to_string(), &text_of(&lease.key))?;
    }
    for (index, last) in last {
        directory.put(&format!("{LAST_RESERVED}{index}"), &last.to_string())?;
    }
    directory.sync()?;
    Ok(handed)
}

/// Removes the files of addresses that a container has there: its lease has ended. Files of others stay, and where there
/// is no directory there is nothing to do. Says how many went.
///
/// # Errors
/// [`ReferenceError::Io`]
pub fn forget(path: &Path, key: &AttachmentKey, addresses: &[IpAddr]) -> Result<usize, ReferenceError> {
    let Some(directory) = Directory::find(path)? else { return Ok(0) };
    let mut removed = 0;
    for address in addresses {
        if directory.holder(*address)?.is_some_and(|theirs| is_same(&theirs, key)) {
            directory.remove(*address)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a container has one of the addresses there. None where the directory is gone: that says nothing of a container.
///
/// # Errors
/// [`ReferenceError::Io`]
pub fn names(path: &Path, key: &AttachmentKey, addresses: &[IpAddr]) -> Result<Option<bool>, ReferenceError> {
    let Some(directory) = Directory::find(path)? else { return Ok(None) };
    for address in addresses {
        if directory.holder(*address)?.is_some_and(|theirs| is_same(&theirs, key)) {
            return Ok(Some(true));
        }
    }
    Ok(Some(false))
}

/// A version before 0.8.0 wrote no interface.
fn is_same(theirs: &AttachmentKey, ours: &AttachmentKey) -> bool {
    theirs.container_id == ours.container_id && (theirs.interface.is_empty() || theirs.interface == ours.interface)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn lease(address: &str, container: &str) -> Lease {
        let key = AttachmentKey { container_id: container.to_owned(), interface: "eth0".to_owned() };
        Lease { address: address.parse().unwrap(), key, written: 1 }
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn files_are_the_references_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("networks/mynet");
        let leases = [lease("10.0.0.2", "a"), lease("fd00::2", "a")];
        let handed = hand_back(&path, &leases, &[(1, "10.0.0.2".parse().unwrap())]).unwrap();
        assert_eq!(handed.written, leases);
        assert_eq!(read(&path.join("10.0.0.2")), "a\r\neth0");
        assert_eq!(read(&path.join("fd00::2")), "a\r\neth0");
        assert_eq!(read(&path.join("last_reserved_ip.1")), "10.0.0.2");
        let mode = std::fs::metadata(path.join("fd00::2")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let again = hand_back(&path, &leases, &[]).unwrap();
        assert_eq!((again.written.len(), again.known.len()), (0, 2));
        let names = std::fs::read_dir(&path).unwrap().count();
        assert_eq!(names, 4, "two leases, a note and the lock; nothing else stays");
    }

    #[test]
    fn an_address_of_another_there_stops_everything() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("10.0.0.3"), "b\r\neth0").unwrap();
        let refused = hand_back(dir.path(), &[lease("10.0.0.2", "a"), lease("10.0.0.3", "a")], &[]);
        assert!(matches!(refused, Err(ReferenceError::Held { .. })), "{refused:?}");
        assert!(!dir.path().join("10.0.0.2").exists());
        assert_eq!(read(&dir.path().join("10.0.0.3")), "b\r\neth0");
    }

    #[test]
    fn only_the_holders_files_go() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("10.0.0.2", "a\r\neth0"), ("10.0.0.3", "a"), ("10.0.0.4", "b\r\neth0")] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let addresses = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(|address| address.parse().unwrap());
        assert_eq!(forget(dir.path(), &lease("10.0.0.2", "a").key, &addresses).unwrap(), 2);
        assert!(dir.path().join("10.0.0.4").exists() && !dir.path().join("10.0.0.2").exists());
        assert_eq!(forget(&dir.path().join("none"), &lease("10.0.0.2", "a").key, &addresses).unwrap(), 0);
    }
}
