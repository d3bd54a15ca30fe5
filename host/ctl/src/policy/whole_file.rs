//! Files that a command writes for its user. Those that are written beside their place and renamed are seen whole or not at
//! all, and a link is replaced.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::Builder;

/// Why a file could not be written, before the work whose result it is to have. It changes nothing.
///
/// # Errors
/// As writing it would have.
pub(super) fn check_writable(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        // To open a pipe would wait for its reader.
        Ok(there) if !there.is_file() && !there.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => tempfile::tempfile_in(directory_of(path)).map(drop),
        _ => OpenOptions::new().write(true).open(path).map(drop),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Replaces what is there, or fails with [`io::ErrorKind::AlreadyExists`].
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    // Of these, the user's mask takes what it takes of any new file.
    let mut file = Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory_of(path))?;
    file.write_all(bytes)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    Ok(persisted.map(drop)?)
}
