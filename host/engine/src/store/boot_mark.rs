//! Which boot the store is of, in a file beside it: a damaged store does not show it.
//!
//! The mark names the boot and the store's file. It is durable before the first lease of that boot is, so a mark of an
//! earlier boot proves that the file it names holds no lease of this one. A missing mark, one that cannot be read, or one
//! that names another file proves nothing.

use std::io::{self, Read, Write};

use cap_std::fs::{MetadataExt, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

use super::StoreError;
use super::damaged_files;
use super::directory::Directory;
use super::environment::FILE;
use crate::boot_id;

pub(super) const MARK: &str = "leases.boot";
const NEW_MARK: &str = "leases.boot.new";

/// Longer than any mark.
const LONGEST: u64 = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) boot: String,
    /// The inode number of the store's file.
    pub(super) inode: u64,
}

/// The mark, if there is a whole one.
pub(super) fn read(directory: &Directory) -> Option<Mark> {
    let mut options = OpenOptions::new();
    // Something else than a file may be in its place, and a FIFO would make this wait.
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
    let file = directory.files().open_with(MARK, &options).ok()?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    let (boot, inode) = text.strip_suffix('\n')?.split_once(' ')?;
    let mark = Mark { boot: boot.to_owned(), inode: inode.parse().ok()? };
    boot_id::is_certain(boot).then_some(mark)
}

/// Marks the store as of this boot and makes that durable. Does nothing if it is marked so already.
pub(super) fn write(directory: &Directory, boot: &str, now: u64) -> Result<(), StoreError> {
    let fault = |source| StoreError::io("mark the boot of the lease store in", &directory.path_of(MARK), source);
    let inode = directory.files().symlink_metadata(FILE).map_err(fault)?.ino();
    let mark = Mark { boot: boot.to_owned(), inode };
    if read(directory).as_ref() == Some(&mark) {
        return Ok(());
    }
    for name in [NEW_MARK, MARK] {
        damaged_files::clear(directory, name, now)?;
    }
    let written = write_new(directory, &mark)
        .and_then(|()| directory.files().rename(NEW_MARK, directory.files(), MARK))
        .map_err(fault);
    if written.is_err() {
        let _ = directory.files().remove_file(NEW_MARK);
    }
    written?;
    directory.sync()
}

fn write_new(directory: &Directory, mark: &Mark) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = directory.files().open_with(NEW_MARK, &options)?;
    writeln!(file, "{} {}", mark.boot, mark.inode)?;
    file.sync_all()
}
