//! Files of the library: whose they are, and that to open one waits for nobody.

use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

pub(super) fn is_trusted(meta: &Metadata) -> bool {
    let us = rustix::process::geteuid().as_raw();
    (meta.uid() == 0 || meta.uid() == us) && meta.mode() & 0o022 == 0
}

/// Never waits: to open a FIFO would, until somebody writes to it.
pub(super) fn open_regular(root: &Dir, path: &str) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let file = root.open_with(path, &options)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no regular file; remove it"));
    }
    Ok(file)
}
