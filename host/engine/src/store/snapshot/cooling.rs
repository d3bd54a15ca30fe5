//! Cooling addresses: by address and by time.

use std::net::IpAddr;
use std::ops::Bound;

use super::Snapshot;
use crate::address::IpRange;
use crate::attachment::FormerHolder;
use crate::store::StoreError;
use crate::store::key::{self, NetworkId, Table};

impl Snapshot<'_> {
    pub(in crate::store) fn cooling_since(&self, net: NetworkId, address: IpAddr) -> Result<Option<u64>, StoreError> {
        let cooling = self.get(&key::by_address(Table::Cooling, net, address))?;
        cooling.map(|bytes| Ok(self.cooling_value(bytes)?.0)).transpose()
    }

    pub(in crate::store) fn last_holder(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<(FormerHolder, u64)>, StoreError> {
        let Some(bytes) = self.get(&key::by_address(Table::Cooling, net, address))? else { return Ok(None) };
        let (freed_at, holder) = self.cooling_value(bytes)?;
        Ok(holder.map(|holder| (holder, freed_at)))
    }

    /// A value of the cooling table: the time, and since schema 2 who held the address.
    pub(in crate::store) fn cooling_value(&self, bytes: &[u8]) -> Result<(u64, Option<FormerHolder>), StoreError> {
        let (time, holder) = bytes.split_first_chunk().ok_or_else(|| self.broken("a time"))?;
        let holder = if holder.is_empty() { None } else { Some(self.json(holder)?) };
        Ok((u64::from_be_bytes(*time), holder))
    }

    /// The cooling address within the ranges that was freed first.
    pub(in crate::store) fn longest_cooling(
        &self,
        net: NetworkId,
        within: &[IpRange],
    ) -> Result<Option<(IpAddr, u64)>, StoreError> {
        let mut longest = None;
        self.scan(&key::prefix(Table::CoolingOrder, net), |key, _| {
            let (freed_at, address) = self.cooling_entry(key)?;
            let at_or_below = within.partition_point(|range| range.first() <= address);
            let is_inside = at_or_below.checked_sub(1).is_some_and(|index| within[index].contains(address));
            if is_inside && self.reservation(net, address)?.is_none() {
                longest = Some((address, freed_at));
            }
            Ok(longest.is_none())
        })?;
        Ok(longest)
    }

    pub(in crate::store) fn cooling_count(&self, net: NetworkId, within: IpRange) -> Result<u64, StoreError> {
        let first = key::by_address(Table::Cooling, net, within.first());
        let last = key::by_address(Table::Cooling, net, within.last());
        let range = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        let mut count = 0;
        for entry in self.tree.range(self.txn, &range).map_err(|error| self.fault(error))? {
            entry.map_err(|error| self.fault(error))?;
            count += 1;
        }
        Ok(count)
    }

    /// Cooling addresses with a time in the range, the oldest first, at most `most`.
    pub(in crate::store) fn cooling_between(
        &self,
        net: NetworkId,
        times: (u64, u64),
        most: usize,
    ) -> Result<Vec<(IpAddr, u64)>, StoreError> {
        let mut from = key::prefix(Table::CoolingOrder, net);
        from.extend_from_slice(&times.0.to_be_bytes());
        let to = key::cooling_order_end(net, times.1);
        let range = (Bound::Included(from.as_slice()), Bound::Included(to.as_slice()));
        let entries = self.tree.range(self.txn, &range).map_err(|error| self.fault(error))?;
        entries
            .take(most)
            .map(|entry| {
                let (freed_at, address) = self.cooling_entry(entry.map_err(|error| self.fault(error))?.0)?;
                Ok((address, freed_at))
            })
            .collect()
    }

    /// When the address that was freed last was freed.
    pub(in crate::store) fn last_freed(&self, net: NetworkId) -> Result<Option<u64>, StoreError> {
        let end = key::cooling_order_end(net, u64::MAX);
        let found = self.tree.get_lower_than(self.txn, &end).map_err(|error| self.fault(error))?;
        match found {
            Some((key, _)) if key.starts_with(&key::prefix(Table::CoolingOrder, net)) => {
                Ok(Some(self.cooling_entry(key)?.0))
            }
            _ => Ok(None),
        }
    }

    fn cooling_entry(&self, key: &[u8]) -> Result<(u64, IpAddr), StoreError> {
        key::read_time_and_address(key).ok_or_else(|| self.broken("a cooling address"))
    }
}
