//! Who holds which addresses: what the store knows, read beside others who use it, and shown as a table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use gingham_engine::address::IpRange;
use gingham_engine::attachment::{AttachmentKey, Pod};
use gingham_engine::ledger::{AttachmentRecord, LedgerQueries};
use gingham_engine::store::{Store, StoreError};

use crate::table::short;

/// Everything the store knows about its networks.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    /// The boot all attachments are of. Empty if there is no store.
    pub(crate) boot: String,
    /// Ordered by network, container and interface.
    pub(crate) attachments: Vec<Held>,
    /// Networks with resting addresses, and how many.
    pub(crate) resting: Vec<(String, u64)>,
}

/// One attachment.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) network: String,
    pub(crate) key: AttachmentKey,
    pub(crate) record: AttachmentRecord,
    /// Directories of the reference that leases of its network were adopted from.
    pub(crate) adopted_from: Vec<PathBuf>,
}

impl Holdings {
    /// Reads the store of a data directory, all networks or one. Nothing is held by nobody where there is no store.
    pub(crate) fn read(data_dir: &Path, only: Option<&str>) -> Result<Self, StoreError> {
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
            let resting = resting(&ledger)?;
            if resting > 0 {
                holdings.resting.push((network, resting));
            }
        }
        Ok(holdings)
    }
}

fn resting(ledger: &impl LedgerQueries) -> Result<u64, StoreError> {
    let families: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::from(u128::MAX).into()),
    ];
    let ranges = families.into_iter().filter_map(|(first, last)| IpRange::new(first, last));
    ranges.map(|range| ledger.resting_count(range)).sum()
}

impl Held {
    /// Cells for a table: network, address, container, interface, pod. One row for each address.
    pub(crate) fn cells(&self) -> Vec<[String; 5]> {
        let row = |address: String| {
            let Self { network, key, record, .. } = self;
            let interface = if key.interface.is_empty() { "?" } else { &key.interface };
            [network.clone(), address, short(&key.container_id), interface.to_owned(), pod(&record.pod)]
        };
        match self.record.addresses.as_slice() {
            [] => vec![row("-".to_owned())],
            addresses => addresses.iter().map(|address| row(address.to_string())).collect(),
        }
    }
}

fn pod(pod: &Pod) -> String {
    match (&pod.namespace, &pod.name) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        (None, Some(name)) => name.clone(),
        (Some(namespace), None) => format!("{namespace}/?"),
        (None, None) => "-".to_owned(),
    }
}
