//! From what the kernel and LMDB report to what an operator can act on.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::store_error::StoreError;

impl StoreError {
    /// Sorts an error of the kernel into the kinds an operator can act on.
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { operation, path, source },
            Some(Errno::FBIG) => Self::FileSize { operation, path, source },
            Some(Errno::ROFS) => Self::ReadOnly { operation, path },
            Some(Errno::ACCESS | Errno::PERM) => Self::Permission { operation, path, source },
            _ => Self::Io { operation, path, source },
        }
    }

    /// The same for the data directory as a whole, which another one may take the place of.
    pub(super) fn directory(operation: &'static str, path: &Path, source: io::Error) -> Self {
        match Self::io(operation, path, source) {
            Self::Io { operation, path, source } => Self::Directory { operation, path, source },
            other => other,
        }
    }

    /// The same for an error of LMDB; `path` is the store's file.
    pub(super) fn lmdb(operation: &'static str, path: &Path, error: heed::Error) -> Self {
        use heed::MdbError;
        match error {
            heed::Error::Io(source) => Self::io(operation, path, source),
            heed::Error::Mdb(MdbError::MapFull) => Self::MapFull { path: path.to_owned() },
            heed::Error::Mdb(MdbError::Invalid) => Self::damaged(path, "it is not an LMDB file"),
            heed::Error::Mdb(MdbError::VersionMismatch) => {
                Self::damaged(path, "it is an LMDB file of another format version")
            }
            heed::Error::Mdb(error @ (MdbError::Corrupted | MdbError::PageNotFound | MdbError::Panic)) => {
                Self::damaged(path, error.to_string())
            }
            other => Self::Io { operation, path: path.to_owned(), source: io::Error::other(other.to_string()) },
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }
}
