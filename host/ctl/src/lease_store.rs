//! This node's lease store, opened for a command, and why a command on it fails.

use std::io;
use std::path::{Path, PathBuf};

pub(crate) use gingham_engine::boot_id::BootIdError;
use gingham_engine::settings::default_data_dir;
use gingham_engine::store::{Store, StoreError};
use gingham_network::recovery::RecoveryError;
use gingham_network::stale_leases::StaleLeaseError;

use crate::clock;
use crate::confirmation::ConfirmationError;
use crate::network::ConfigDirError;
use crate::output::print_error;

/// `leases`, `status`, `gc` and `recover` do the same reads.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaseStoreError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Boot(#[from] BootIdError),
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error(transparent)]
    StaleLease(#[from] StaleLeaseError),
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    #[error(
        "cannot rebuild the lease store: {count} of the containers found cannot be recorded for certain (see above); \
         nothing was changed; remove those containers, then run `ginghamctl recover` again"
    )]
    Unclear { count: usize },
    #[error("nothing was changed: containers came or went in the meantime; run `ginghamctl recover` again")]
    Changed,
    #[error("no network {network:?} on this node{}", known(networks))]
    UnknownNetwork { network: String, networks: Vec<String> },
    #[error("the data directory {path} does not exist; name that of `ipam.dataDir`, or none for {}", default_data_dir().display())]
    NoDataDir { path: PathBuf },
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
}

fn known(networks: &[String]) -> String {
    if networks.is_empty() { String::new() } else { format!(" (networks: {})", networks.join(", ")) }
}

/// The identity of this boot.
pub(crate) fn boot_id() -> Result<String, BootIdError> {
    gingham_engine::boot_id::read()
}

/// A directory that an option names is there. That of nodes is made by the first ADD.
pub(crate) fn require_directory(data_dir: &Path) -> Result<(), LeaseStoreError> {
    if data_dir == default_data_dir() || data_dir.exists() {
        return Ok(());
    }
    Err(LeaseStoreError::NoDataDir { path: data_dir.to_owned() })
}

/// Opens the lease store for writing. Events, such as an upgrade, go to standard error.
pub(crate) fn open_store(data_dir: &Path, boot: &str) -> Result<Store, StoreError> {
    tracing::debug!(data_dir = %data_dir.display(), "open the lease store for writing");
    let store = Store::open(data_dir, boot, clock::now())?;
    for event in store.events() {
        print_error(event);
    }
    Ok(store)
}
