//! What the kernel says about this node.

use std::io;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The kernel does not say which boot this is.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {BOOT_ID}: {0}; is /proc mounted?")]
pub(crate) struct NoBootId(io::Error);

/// The identity of this boot.
pub(crate) fn boot_id() -> Result<String, NoBootId> {
    std::fs::read_to_string(BOOT_ID).map(|text| text.trim().to_owned()).map_err(NoBootId)
}
