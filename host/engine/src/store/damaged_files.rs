//! Files that are damaged, or in the place of Gingham's own, are kept under a name with the date: an operator may want to
//! look at them.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use rustix::fs::{AtFlags, RenameFlags, linkat, renameat_with};
use rustix::io::Errno;

use super::StoreError;
use super::directory::Directory;
use super::environment::{FILE, NEW_FILE};

/// How many files are kept of one name; older ones are removed. Directories and the like stay.
const MOST_KEPT: usize = 8;

/// Puts the finished successor in the store's place. What is there is kept under another name, which is returned. Killed
/// at any moment, something is in the store's place.
pub(super) fn replace_store(directory: &Directory, now: u64) -> Result<Option<PathBuf>, StoreError> {
    let fault = |source| StoreError::io("put aside the damaged lease store", &directory.path_of(FILE), source);
    let found = match directory.files().symlink_metadata(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found.map_err(fault)?),
    };
    let Some(found) = found else {
        rename(directory).map_err(fault)?;
        return Ok(None);
    };
    let files = directory.files();
    let linked = if found.is_file() {
        with_free_name(FILE, now, |name| linkat(files, FILE, files, name, AtFlags::empty()))
    } else {
        Err(Errno::PERM)
    };
    let aside = match linked {
        Ok(aside) => {
            rename(directory).map_err(fault)?;
            aside
        }
        // No regular file, or a file system without hard links.
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => exchange(directory, now).map_err(fault)?,
        Err(errno) => return Err(fault(errno.into())),
    };
    remove_oldest(directory, FILE);
    Ok(Some(directory.path_of(&aside)))
}

/// Makes room for a regular file of that name: what is there and is none is kept under another name.
pub(super) fn clear(directory: &Directory, name: &str, now: u64) -> Result<(), StoreError> {
    let fault = |source| StoreError::io("put aside", &directory.path_of(name), source);
    match directory.files().symlink_metadata(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found if found.as_ref().is_ok_and(cap_std::fs::Metadata::is_file) => return Ok(()),
        found => found.map_err(fault)?,
    };
    move_aside(directory, name, name, now).map(drop).map_err(fault)
}

fn rename(directory: &Directory) -> io::Result<()> {
    directory.files().rename(NEW_FILE, directory.files(), FILE)
}

fn exchange(directory: &Directory, now: u64) -> io::Result<String> {
    let files = directory.files();
    match renameat_with(files, NEW_FILE, files, FILE, RenameFlags::EXCHANGE) {
        Ok(()) => move_aside(directory, NEW_FILE, FILE, now),
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = move_aside(directory, FILE, FILE, now)?;
            rename(directory)?;
            Ok(aside)
        }
        Err(errno) => Err(errno.into()),
    }
}

fn move_aside(directory: &Directory, from: &str, called: &str, now: u64) -> io::Result<String> {
    let files = directory.files();
    let moved = with_free_name(called, now, |name| renameat_with(files, from, files, name, RenameFlags::NOREPLACE));
    match moved {
        // A file system that cannot refuse to replace.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let taken = |name: &&String| files.symlink_metadata(name).is_ok();
            let mut names = (0..).map(|attempt| name(called, now, attempt));
            let free = names.find(|name| !taken(&name)).unwrap_or_default();
            files.rename(from, files, &free)?;
            Ok(free)
        }
        moved => Ok(moved?),
    }
}

fn with_free_name(
    called: &str,
    now: u64,
    mut take: impl FnMut(&str) -> rustix::io::Result<()>,
) -> rustix::io::Result<String> {
    let mut attempt = 0;
    loop {
        let name = name(called, now, attempt);
        match take(&name) {
            Err(Errno::EXIST) => attempt += 1,
            done => return done.map(|()| name),
        }
    }
}

/// `leases.mdb.damaged-2026-11-28T17-40-00Z`, and `-2` after it for the second one of a second.
fn name(called: &str, now: u64, attempt: u32) -> String {
    let time = i64::try_from(now).ok().and_then(|now| Timestamp::from_millisecond(now).ok()).unwrap_or(Timestamp::MAX);
    let suffix = if attempt == 0 { String::new() } else { format!("-{}", attempt + 1) };
    format!("{called}.damaged-{}{suffix}", time.strftime("%Y-%m-%dT%H-%M-%SZ"))
}

/// That an old one stays is no reason to fail.
fn remove_oldest(directory: &Directory, called: &str) {
    let Ok(entries) = directory.files().entries() else { return };
    let prefix = format!("{called}.damaged-");
    let is_file = |entry: &cap_std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_file());
    let mut kept: Vec<String> = entries
        .flatten()
        .filter(is_file)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    kept.sort();
    let surplus = kept.len().saturating_sub(MOST_KEPT);
    for name in &kept[..surplus] {
        let _ = directory.files().remove_file(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_date_and_sort_by_it() {
        assert_eq!(name("leases.mdb", 1_795_887_600_999, 0), "leases.mdb.damaged-2026-11-28T17-40-00Z");
        assert_eq!(name("leases.mdb", 951_782_400_000, 1), "leases.mdb.damaged-2000-02-29T00-00-00Z-2");
    }
}
