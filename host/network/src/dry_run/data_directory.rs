//! Whether the data directory can be used.

use std::path::Path;

use gingham_cni::error::Code;
use gingham_engine::store::Store;
use rustix::fs::{Access, access, statfs};
use rustix::io::Errno;

use crate::error::NetworkError;
use crate::records::RecordsError;

/// `f_type` of file systems in which the kernel makes the files: proc, sysfs, cgroup and cgroup2.
const OF_THE_KERNEL: [i64; 4] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270];

/// The directory is there, or could be made. Who is not root knows little about what root may do.
pub(super) fn is_usable(directory: &Path) -> Result<(), NetworkError> {
    let there = directory.ancestors().find(|ancestor| ancestor.symlink_metadata().is_ok());
    let Some(there) = there else { return Ok(()) };
    let refused = |why: &str| {
        let (directory, there) = (directory.display(), there.display());
        NetworkError::new(
            Code::IO,
            format!("ipam.dataDir: {directory} cannot be used: {there} {why}; choose another directory"),
        )
    };
    if !there.is_dir() {
        return Err(refused("is not a directory"));
    }
    if statfs(there).is_ok_and(|found| OF_THE_KERNEL.contains(&found.f_type)) {
        return Err(refused("is on a file system of the kernel"));
    }
    let is_root = rustix::process::geteuid().is_root();
    match access(there, Access::WRITE_OK | Access::EXEC_OK) {
        Err(Errno::ROFS) => Err(refused("is on a read-only file system")),
        Err(_) if is_root => Err(refused("is not writable")),
        _ if is_root => Ok(Store::require_directory(directory).map_err(RecordsError::from)?),
        _ => Ok(()),
    }
}
