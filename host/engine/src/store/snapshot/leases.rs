//! Leases: by address, of a namespace, and those of other networks.

use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Bound;

use serde::Deserialize;

use super::Snapshot;
use crate::address::IpRange;
use crate::attachment::AttachmentKey;
use crate::store::StoreError;
use crate::store::key::{self, NetworkId, Table};

impl Snapshot<'_> {
    pub(in crate::store) fn holder(
        &self,
        net: NetworkId,
        address: IpAddr,
    ) -> Result<Option<AttachmentKey>, StoreError> {
        let owner = self.get(&key::by_address(Table::Leases, net, address))?;
        owner.map(|bytes| key::read_owner(bytes).ok_or_else(|| self.broken("a lease"))).transpose()
    }

    /// Addresses within the ranges, disjoint and in order, that other networks hold on what may be the same link.
    pub(in crate::store) fn held_by_others(
        &self,
        net: NetworkId,
        within: &[IpRange],
        link: Option<&str>,
    ) -> Result<Vec<(IpAddr, String)>, StoreError> {
        let mut held = Vec::new();
        for (name, other) in self.networks()? {
            if other.id != net && other.attachments > 0 {
                let addresses = self.held_within(other.id, within, link)?;
                held.extend(addresses.into_iter().map(|address| (address, name.clone())));
            }
        }
        Ok(held)
    }

    /// Goes from lease to range and from range to lease, so that neither many of the one nor of the other cost much where
    /// they have nothing in common.
    fn held_within(
        &self,
        net: NetworkId,
        mut within: &[IpRange],
        link: Option<&str>,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let mut held = Vec::new();
        while let Some(range) = within.first() {
            let from = key::by_address(Table::Leases, net, range.first());
            let found = self.tree.get_greater_than_or_equal_to(self.txn, &from).map_err(|error| self.fault(error))?;
            let of_net = found.filter(|(key, _)| key.starts_with(&key::prefix(Table::Leases, net)));
            let Some((key, _)) = of_net else { break };
            let lowest = key::read_address(&key[key::PREFIX..]).ok_or_else(|| self.broken("a lease"))?;
            within = &within[within.partition_point(|range| range.last() < lowest)..];
            let Some(range) = within.first().filter(|range| range.contains(lowest)) else { continue };
            let to = key::by_address(Table::Leases, net, range.last());
            let bounds = (Bound::Included(key), Bound::Included(to.as_slice()));
            for entry in self.tree.range(self.txn, &bounds).map_err(|error| self.fault(error))? {
                let (key, owner) = entry.map_err(|error| self.fault(error))?;
                if self.may_be_on(net, owner, link)? {
                    held.push(key::read_address(&key[key::PREFIX..]).ok_or_else(|| self.broken("a lease"))?);
                }
            }
            within = &within[1..];
        }
        Ok(held)
    }

    fn may_be_on(&self, net: NetworkId, owner: &[u8], link: Option<&str>) -> Result<bool, StoreError> {
        #[derive(Deserialize)]
        struct OnLink<'a> {
            #[serde(borrow, default)]
            link: Option<Cow<'a, str>>,
        }
        let Some(link) = link else { return Ok(true) };
        let Some(bytes) = self.get(&key::attachment(net, owner))? else { return Ok(true) };
        Ok(self.json::<OnLink>(bytes)?.link.is_none_or(|theirs| theirs == link))
    }

    pub(in crate::store) fn leases_within(
        &self,
        net: NetworkId,
        within: IpRange,
        most: usize,
    ) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError> {
        let mut leases = Vec::new();
        self.scan_addresses(Table::Leases, net, within, |address, owner| {
            if leases.len() < most {
                leases.push((address, key::read_owner(owner).ok_or_else(|| self.broken("a lease"))?));
            }
            Ok(leases.len() < most)
        })?;
        Ok(leases)
    }

    pub(in crate::store) fn leases_of_namespace(
        &self,
        net: NetworkId,
        namespace: &str,
        after: Option<IpAddr>,
        most: usize,
    ) -> Result<Vec<IpAddr>, StoreError> {
        let Some(prefix) = key::namespace(net, namespace) else { return Ok(Vec::new()) };
        let above = after.map_or(prefix.clone(), |after| key::with_address(prefix.clone(), after));
        let mut addresses = Vec::new();
        let from = (Bound::Excluded(above.as_slice()), Bound::Unbounded);
        for entry in self.tree.range(self.txn, &from).map_err(|error| self.fault(error))? {
            let (key, _) = entry.map_err(|error| self.fault(error))?;
            if !key.starts_with(&prefix) || addresses.len() >= most {
                break;
            }
            addresses.push(key::read_address(&key[prefix.len()..]).ok_or_else(|| self.broken("a namespace"))?);
        }
        Ok(addresses)
    }

    pub(in crate::store) fn lease_count_of_namespace(
        &self,
        net: NetworkId,
        namespace: &str,
    ) -> Result<u64, StoreError> {
        let Some(key) = key::namespace(net, namespace) else { return Ok(0) };
        self.get(&key)?.map_or(Ok(0), |count| self.time(count))
    }
}
