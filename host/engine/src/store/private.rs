//! The data directory belongs to one user: any other user who can open it can lock it, and every ADD and DEL would wait.
//!
//! `directory` calls it, and it opens the directory as `directory` does: both are one way of opening.

use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::StoreError;
use super::directory::open_directory;
use crate::reference_leases;

/// For its owner alone.
const MODE: u32 = 0o700;

/// What Gingham makes in its data directory. Names that start with `leases.` are the store and its successors.
const OURS: [&str; 10] = [
    "attaching.lock",
    "attaching.turn",
    "node-name",
    ".node-name.new",
    "nat.lock",
    "node.lock",
    "history",
    "networks",
    "policies",
    "lost+found",
];

/// Makes the directory (mode 0700) and its parents (0755). One that is there is closed to other users.
pub(super) fn make(path: &Path) -> Result<(), StoreError> {
    let fault = |source| StoreError::directory("create the data directory", path, source);
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(fault)?;
    }
    match DirBuilder::new().mode(MODE).create(path) {
        // It was there, or another process was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let opened = open_directory(path)
                .map_err(|source| StoreError::directory("open the data directory", path, source))?;
            close(&opened, path)
        }
        made => made.map_err(fault),
    }
}

/// Makes the directory inaccessible to all but its owner.
pub(super) fn close(directory: &File, path: &Path) -> Result<(), StoreError> {
    close_for(rustix::process::geteuid().as_raw(), directory, path)
}

/// The permissions of everybody but the owner.
const OF_OTHERS: u32 = 0o077;

fn close_for(us: u32, directory: &File, path: &Path) -> Result<(), StoreError> {
    if !is_to_be_closed(us, directory, path)? {
        return Ok(());
    }
    match directory.set_permissions(Permissions::from_mode(MODE)) {
        // The next step reports that it cannot be written.
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => Ok(()),
        done => done.map_err(|source| StoreError::directory("change the mode of the data directory", path, source)),
    }
}

/// What [`close`] would refuse, without a change. A directory that is not there is as good as any.
pub(super) fn require_closable(path: &Path) -> Result<(), StoreError> {
    match open_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(StoreError::directory("open the data directory", path, source)),
        Ok(directory) => is_to_be_closed(rustix::process::geteuid().as_raw(), &directory, path).map(drop),
    }
}

/// Whether other users can open the directory. It is an error if it must not be closed to them.
fn is_to_be_closed(us: u32, directory: &File, path: &Path) -> Result<bool, StoreError> {
    let fault = |source| StoreError::directory("inspect the data directory", path, source);
    let found = directory.metadata().map_err(fault)?;
    let mode = found.mode() & 0o7777;
    if mode & OF_OTHERS == 0 {
        return Ok(false);
    }
    let open = |why: String, remedy: String| StoreError::Open { path: path.to_owned(), mode, why, remedy };
    let elsewhere = "set `ipam.dataDir` to a directory that only Gingham uses";
    // A directory such as /run or /srv is used by others, who would be shut out.
    if let Some(name) = foreign_file(path).map_err(fault)? {
        return Err(open(format!("it holds other files than Gingham's ({name:?})"), elsewhere.to_owned()));
    }
    if found.uid() != us {
        let why = format!("it belongs to uid {}, not to uid {us} that Gingham runs as", found.uid());
        let path = path.display();
        return Err(open(why, format!("run `chown {us} {path}` and `chmod 0700 {path}`, or {elsewhere}")));
    }
    Ok(true)
}

fn foreign_file(path: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_ours = OURS.contains(&&*name) || name.starts_with("leases.");
        // `dataDir` may have been the reference's before it was ours.
        if !is_ours && !reference_leases::is_networks(&entry.path()) {
            return Ok(Some(name.into_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_another_user_is_refused_if_it_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let opened = open_directory(directory.path()).unwrap();
        let owner = opened.metadata().unwrap().uid();
        opened.set_permissions(Permissions::from_mode(MODE)).unwrap();
        close_for(owner + 1, &opened, directory.path()).unwrap();
        opened.set_permissions(Permissions::from_mode(0o710)).unwrap();
        let error = close_for(owner + 1, &opened, directory.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("uid {owner}")) && error.contains("mode 0710"), "{error}");
        assert!(error.contains(&format!("chown {}", owner + 1)), "{error}");
        close_for(owner, &opened, directory.path()).unwrap();
        assert_eq!(opened.metadata().unwrap().mode() & 0o7777, MODE);
    }

    /// `chmod` would shut out its other users, and Gingham would refuse it again.
    #[test]
    fn of_a_directory_with_foreign_files_another_one_is_the_only_advice() {
        let directory = tempfile::tempdir().unwrap();
        let opened = open_directory(directory.path()).unwrap();
        opened.set_permissions(Permissions::from_mode(0o755)).unwrap();
        require_closable(directory.path()).unwrap();
        require_closable(&directory.path().join("none")).unwrap();
        std::fs::write(directory.path().join("somebodys"), "").unwrap();
        for owner in [opened.metadata().unwrap().uid(), 4242] {
            let error = close_for(owner, &opened, directory.path()).unwrap_err().to_string();
            assert!(error.contains("somebodys") && error.contains("ipam.dataDir"), "{error}");
            assert!(!error.contains("chmod") && !error.contains("chown"), "{error}");
        }
        assert!(require_closable(directory.path()).is_err());
        assert_eq!(opened.metadata().unwrap().mode() & 0o7777, 0o755, "nothing was changed");
    }
}
