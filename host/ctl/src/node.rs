//! This node's lease store, opened for a command.

use std::path::Path;

pub(crate) use gingham_engine::boot_id::BootIdError;
use gingham_engine::store::{Store, StoreError};

use crate::clock;
use crate::output::complain;

/// The identity of this boot.
pub(crate) fn boot_id() -> Result<String, BootIdError> {
    gingham_engine::boot_id::read()
}

/// Opens the lease store for writing. What that did beside is told on standard error.
pub(crate) fn open_store(data_dir: &Path, boot: &str) -> Result<Store, StoreError> {
    let store = Store::open(data_dir, boot, clock::now())?;
    for event in store.events() {
        complain(event);
    }
    Ok(store)
}
