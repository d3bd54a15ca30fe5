//! Files that only root, or the calling user, can have written.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use gingham_untrusted::file::FileError;
use rustix::fs::{Mode, OFlags};

const LARGEST: u64 = 1 << 20;

pub(super) enum Fault {
    File(FileError),
    Protection(&'static str),
}

/// Reads a file. What was checked is what is read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let io = |error: io::Error| Fault::File(FileError::Io(error));
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(opened) => opened,
        Err(rustix::io::Errno::LOOP) => {
            return Err(Fault::Protection("is a symbolic link; put the file itself there"));
        }
        Err(error) => return Err(io(error.into())),
    };
    let file = File::from(opened);
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(Fault::Protection("is not a regular file"));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let above = directory.metadata().map_err(io)?;
    let written_by = [&metadata, &above].map(|one| (one.uid(), one.mode()));
    if let Some(fault) = fault(written_by, rustix::process::geteuid().as_raw()) {
        return Err(Fault::Protection(fault));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST { Err(Fault::File(FileError::TooLarge { limit: LARGEST })) } else { Ok(bytes) }
}

/// What is wrong with the owners and modes of a file and its directory.
fn fault(written_by: [(u32, u32); 2], own: u32) -> Option<&'static str> {
    if written_by.iter().any(|(owner, _)| *owner != 0 && *owner != own) {
        return Some("or its directory belongs to another user; run `chown root` on them");
    }
    let open = written_by.iter().any(|(_, mode)| mode & 0o022 != 0);
    open.then_some("or its directory can be changed by others; run `chmod go-w` on them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_user_can_have_written_it() {
        assert_eq!(fault([(0, 0o100_644), (0, 0o40755)], 0), None);
        assert_eq!(fault([(1000, 0o100_600), (0, 0o40755)], 1000), None);
        for faulty in [[(1, 0o100_644), (0, 0o40755)], [(0, 0o100_644), (1, 0o40755)]] {
            assert!(fault(faulty, 0).unwrap().contains("another user"));
        }
        for faulty in [[(0, 0o100_664), (0, 0o40755)], [(0, 0o100_646), (0, 0o40755)], [(0, 0o100_644), (0, 0o41777)]] {
            assert!(fault(faulty, 0).unwrap().contains("changed by others"));
        }
    }
}
