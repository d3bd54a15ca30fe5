//! The masquerade of all networks of a data directory, restored from the records alone: for the admin CLI and the node
//! agent.

use std::path::Path;

use gingham_engine::store::{Store, StoreError};
use gingham_net::masquerade::Outcome;

use crate::nat;
use crate::stale_leases::AddsPaused;

/// What came of a network's masquerade.
#[derive(Debug)]
pub struct Restored {
    pub network: String,
    /// Whether the kernel had it otherwise than the records, or why it could not be restored.
    pub changed: Result<bool, String>,
}

/// Makes the kernel masquerade what the records say, network by network.
pub fn restore(_: &AddsPaused, data_dir: &Path) -> Result<Vec<Restored>, StoreError> {
    let Some(store) = Store::open_read_only(data_dir)? else { return Ok(Vec::new()) };
    let networks = store.networks()?;
    drop(store);
    let restore = |network: String| {
        let settled = nat::settle_in(data_dir, &network);
        let changed = settled.map(|outcome| outcome == Outcome::Installed).map_err(|error| error.to_string());
        Restored { network, changed }
    };
    Ok(networks.into_iter().map(restore).collect())
}
