//! Files of others: read whole, but never more than so much, and nothing that never ends or waits for another process.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// The largest configuration that is read, in bytes. Those of real networks have a few thousand.
pub const LARGEST_CONFIGURATION: u64 = 1 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Reading it may block permanently, or never end.
    #[error("it is a {kind}, only regular files are read")]
    NotRegular {
        /// What it is.
        kind: &'static str,
    },
    /// Too much.
    #[error("it is larger than {limit} bytes, the most that is read")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io(error) => error,
            error => Self::new(io::ErrorKind::InvalidInput, error),
        }
    }
}

/// Reads a regular file, which a symbolic link may lead to, of at most so many bytes.
///
/// # Errors
/// [`FileError`]
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    // Before it is opened: to open a device may set something going.
    regular(&path.metadata()?)?;
    let file = open(path)?;
    if file.metadata()?.len() > limit {
        return Err(FileError::TooLarge { limit });
    }
    bounded(file, limit)
}

/// The same as text.
///
/// # Errors
/// [`FileError`]
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    let bytes = read(path, limit)?;
    Ok(String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?)
}

/// Reads the file of a command's argument: `-` is standard input.
///
/// # Errors
/// [`FileError`]
pub fn read_argument(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    if path == Path::new("-") { bounded(io::stdin().lock(), limit) } else { read(path, limit) }
}

/// Opens a regular file. What took its place since it was looked at is not waited for either.
fn open(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    let kind = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "directory",
        _ if kind.is_fifo() => "named pipe",
        _ if kind.is_socket() => "socket",
        _ => "device",
    };
    Err(FileError::NotRegular { kind })
}

/// A file's size is not enough: it may grow, and files of /proc have none.
fn bounded(reader: impl Read, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        Ok(bytes)
    } else {
        Err(FileError::TooLarge { limit })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn refusal(path: &Path) -> String {
        read(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn regular_files_are_read_up_to_the_limit_also_behind_links() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "0123456789").unwrap();
        symlink("file", at("link")).unwrap();
        assert_eq!(read(&at("link"), 10).unwrap(), b"0123456789");
        assert_eq!(read_text(&at("file"), 10).unwrap(), "0123456789");
        assert!(matches!(read(&at("file"), 9), Err(FileError::TooLarge { limit: 9 })));
        File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(refusal(&at("huge")), "it is larger than 10 bytes, the most that is read");
        assert_eq!(refusal(Path::new("/proc/self/status")), "it is larger than 10 bytes, the most that is read");
    }

    #[test]
    fn nothing_else_is_read_and_nobody_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        mknodat(CWD, at("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        symlink("pipe", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        for (name, kind) in [("pipe", "named pipe"), ("link", "named pipe"), ("socket", "socket"), (".", "directory")] {
            assert_eq!(refusal(&at(name)), format!("it is a {kind}, only regular files are read"));
        }
        assert_eq!(refusal(Path::new("/dev/zero")), "it is a device, only regular files are read");
        assert!(refusal(&at("loop")).contains("symbolic links"));
        // Put there between the look and the opening.
        assert!(matches!(open(&at("link")), Err(FileError::NotRegular { kind: "named pipe" })));
        assert!(matches!(open(Path::new("/dev/zero")), Err(FileError::NotRegular { kind: "device" })));
    }

    #[test]
    fn no_more_is_read_than_permitted() {
        assert!(matches!(bounded(io::repeat(0), 10), Err(FileError::TooLarge { limit: 10 })));
        assert_eq!(bounded(io::empty(), 10).unwrap(), b"");
    }
}
