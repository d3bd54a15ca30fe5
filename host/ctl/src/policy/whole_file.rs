//! Files that are written beside their place and renamed: a reader sees all of it or nothing, and a link is replaced.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::Builder;

/// Replaces what is there, or fails with [`io::ErrorKind::AlreadyExists`].
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Of these, the user's mask takes what it takes of any new file.
    let mut file = Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory)?;
    file.write_all(bytes)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    Ok(persisted.map(drop)?)
}
