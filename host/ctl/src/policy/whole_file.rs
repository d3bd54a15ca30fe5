//! Files that a command writes for its user. Those that are written beside their place and renamed are seen whole or not at
//! all, and a link to a file is replaced.

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

/// Replaces the file that is there, or fails with [`io::ErrorKind::AlreadyExists`].
pub(super) fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    require_replaceable(path)?;
    let directory = directory_of(path);
    // Of these, the user's mask takes what it takes of any new file.
    let file = Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(directory);
    // It names the temporary file, which is not there any more.
    let mut file = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("the directory {} does not exist; make it first", directory.display()))
        }
        kind => kind.into(),
    })?;
    file.write_all(bytes)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    Ok(persisted.map(drop)?)
}

/// A rename would put a file in the place of a device or a pipe: `/dev/null` and `/dev/stdout` would be gone for every program.
fn require_replaceable(path: &Path) -> io::Result<()> {
    let is_special = std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    let leads_to_open_file = std::fs::read_link(path).is_ok_and(|target| target.starts_with("/proc"));
    if is_special || leads_to_open_file {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file; name one, or a new file"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn pipes_and_links_to_open_files_stay() {
        let directory = tempfile::tempdir().unwrap();
        let [pipe, link, of_pipe] = ["pipe", "stdout", "link"].map(|name| directory.path().join(name));
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        symlink("/proc/self/fd/0", &link).unwrap();
        symlink(&pipe, &of_pipe).unwrap();
        for path in [&pipe, &link, &of_pipe] {
            let refused = write(path, b"x", true).unwrap_err().to_string();
            assert!(refused.contains("it is not a regular file"), "{refused}");
        }
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert!(link.is_symlink() && of_pipe.is_symlink());
    }

    #[test]
    fn files_and_links_to_files_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        write(&file, b"old", false).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"new", true).unwrap();
        assert_eq!([&file, &link].map(|path| std::fs::read(path).unwrap()), [b"old", b"new"]);
        assert_eq!(write(&file, b"x", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let error = write(&directory.path().join("no/file"), b"x", true).unwrap_err().to_string();
        assert!(error.ends_with("/no does not exist; make it first"), "{error}");
    }
}
