//! Who holds which addresses: what the store knows, read beside others who use it.

use std::path::{Path, PathBuf};

use gingham_engine::address::Family;
use gingham_engine::attachment::AttachmentKey;
use gingham_engine::ledger::{AttachmentRecord, LedgerQueries, Reservation};
use gingham_engine::store::{Store, StoreError};

/// Everything the store knows about its networks.
#[derive(Debug, Default)]
pub struct Holdings {
    /// The boot all attachments are of. Empty if there is no store.
    pub boot: String,
    /// Ordered by network, container and interface.
    pub attachments: Vec<Held>,
    /// Networks with freed addresses that no ADD has made free yet, and when each was freed, in milliseconds since the epoch.
    pub cooling: Vec<(String, Vec<u64>)>,
    /// Ordered by network and address, each with its network.
    pub reservations: Vec<(String, Reservation)>,
}

#[derive(Debug, Clone)]
pub struct Held {
    /// Its network.
    pub network: String,
    pub key: AttachmentKey,
    /// What is recorded of it.
    pub record: AttachmentRecord,
    /// Directories of the reference that leases of its network were adopted from.
    pub adopted_from: Vec<PathBuf>,
}

impl Holdings {
    /// Whether nothing at all is held.
    pub fn is_empty(&self) -> bool {
        self.attachments.is_empty() && self.cooling.is_empty() && self.reservations.is_empty()
    }

    /// Reads the store of a data directory, all networks or one. Without a store there are no holders.
    pub fn read(data_dir: &Path, only: Option<&str>) -> Result<Self, StoreError> {
        let Some(store) = Store::open_read_only(data_dir)? else { return Ok(Self::default()) };
        let mut holdings = Self { boot: store.boot()?, ..Self::default() };
        for network in store.networks()? {
            if only.is_some_and(|only| only != network) {
                continue;
            }
            let ledger = store.ledger(&network)?;
            let adopted_from = ledger.adoption()?.map(|adoption| adoption.from).unwrap_or_default();
            let held =
                |(key, record)| Held { network: network.clone(), key, record, adopted_from: adopted_from.clone() };
            holdings.attachments.extend(ledger.attachments()?.into_iter().map(held));
            for family in Family::ALL {
                let reserved = ledger.reservations_within(family.whole())?.into_iter();
                holdings.reservations.extend(reserved.map(|reservation| (network.clone(), reservation)));
            }
            let freed = ledger.freed_until(u64::MAX)?.into_iter();
            let cooling: Vec<u64> =
                freed.filter_map(|address| ledger.cooling_since(address).transpose()).collect::<Result<_, _>>()?;
            if !cooling.is_empty() {
                holdings.cooling.push((network, cooling));
            }
        }
        Ok(holdings)
    }
}
