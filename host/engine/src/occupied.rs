//! Addresses of a network's pools that others than this network have: the node itself, or another network on the same link.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::address::IpRange;
use crate::attachment::Request;
use crate::ledger::{AttachmentRecord, LedgerQueries};
use crate::pool::Pools;
use crate::ranges::RangeSet;
use crate::store_error::StoreError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occupant {
    /// The node, on one of its interfaces.
    Node,
    /// Another network of the same store, by its name.
    Network(String),
}

#[derive(Debug, Clone, Default)]
pub struct Occupied {
    pub(crate) by_address: BTreeMap<IpAddr, Occupant>,
    pub(crate) ranges: RangeSet,
}

impl Occupied {
    /// What a request must not get. An address that a node requests for itself may be one that it has.
    pub(crate) fn of<L: LedgerQueries>(
        ledger: &L,
        pools: &Pools,
        request: &Request,
        record: &AttachmentRecord,
    ) -> Result<Self, StoreError> {
        let ranges: Vec<IpRange> = pools.ranges().collect();
        let held = ledger.held_by_others(&ranges, record.link.as_deref())?;
        let mut by_address: BTreeMap<IpAddr, Occupant> =
            held.into_iter().map(|(address, network)| (address, Occupant::Network(network))).collect();
        if !request.key.is_nodes_own() {
            let of_pools = request.node_addresses.iter().filter(|address| pools.locate(**address).is_some());
            by_address.extend(of_pools.map(|address| (*address, Occupant::Node)));
        }
        let ranges = RangeSet::new(by_address.keys().copied().map(IpRange::single).collect());
        Ok(Self { by_address, ranges })
    }

    /// The other networks, and how many addresses of these pools each holds.
    pub(crate) fn networks(&self) -> BTreeMap<&str, usize> {
        let mut networks = BTreeMap::new();
        for occupant in self.by_address.values() {
            if let Occupant::Network(name) = occupant {
                *networks.entry(name.as_str()).or_default() += 1;
            }
        }
        networks
    }
}
