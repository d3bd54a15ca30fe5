//! The runs of used addresses.

use std::net::IpAddr;

use super::Snapshot;
use crate::address::{Family, IpRange, successor};
use crate::store::StoreError;
use crate::store::key::{self, NetworkId, Table};

impl Snapshot<'_> {
    pub(in crate::store) fn next_unused(&self, net: NetworkId, within: IpRange) -> Result<Option<IpAddr>, StoreError> {
        let first = within.first();
        // Runs are maximal: the address above one is unused.
        let unused = match self.run_at_or_below(net, first)? {
            Some(run) if run.contains(first) => successor(run.last()),
            _ => Some(first),
        };
        Ok(unused.filter(|address| within.contains(*address)))
    }

    pub(in crate::store) fn next_used_run(&self, net: NetworkId, from: IpAddr) -> Result<Option<IpRange>, StoreError> {
        match self.run_at_or_below(net, from)? {
            Some(run) if run.contains(from) => Ok(Some(run)),
            _ => self.run_at_or_above(net, from),
        }
    }

    /// The run that starts at the address or, of those that start lower, the highest one.
    pub(in crate::store) fn run_at_or_below(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<IpRange>, StoreError> {
        let key = key::by_address(Table::Runs, net, address);
        let found = self.tree.get_lower_than_or_equal_to(self.txn, &key).map_err(|error| self.fault(error))?;
        self.run(net, Family::of(address), found)
    }

    /// The run that starts at the address or, of those that start higher, the lowest one.
    pub(in crate::store) fn run_at_or_above(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<IpRange>, StoreError> {
        let key = key::by_address(Table::Runs, net, address);
        let found = self.tree.get_greater_than_or_equal_to(self.txn, &key).map_err(|error| self.fault(error))?;
        self.run(net, Family::of(address), found)
    }

    /// An entry of the tree as a run, if it is one of this network and family.
    fn run(
        &self,
        net: NetworkId,
        family: Family,
        entry: Option<(&[u8], &[u8])>,
    ) -> Result<Option<IpRange>, StoreError> {
        let Some((key, value)) = entry else { return Ok(None) };
        if !key.starts_with(&key::by_family(Table::Runs, net, family)) {
            return Ok(None);
        }
        let ends = key::read_address(&key[key::PREFIX..]).zip(key::read_address(value));
        let run = ends.and_then(|(first, last)| IpRange::new(first, last));
        run.map(Some).ok_or_else(|| self.broken("a run of used addresses"))
    }
}
