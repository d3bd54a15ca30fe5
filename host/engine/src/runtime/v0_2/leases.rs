//! Interface `leases`.

use std::net::IpAddr;

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::{IpAddress, IpRange};
use super::bindings::gingham::ipam::leases as wit;
use super::convert;
use crate::runtime::state::HostState;
use crate::runtime::view::{AddressState, FormerHolderInfo, LeaseInfo, page};
use crate::runtime::weight::Weight;

impl HostState {
    fn push_leases(&mut self, leases: Vec<LeaseInfo>) -> wasmtime::Result<Vec<Resource<LeaseInfo>>> {
        let mut pushed = Vec::with_capacity(leases.len());
        for lease in leases {
            // The policy may keep it.
            self.charge_for(lease.bytes())?;
            pushed.push(self.table.push(lease)?);
        }
        Ok(pushed)
    }
}

fn after_in(after: Option<IpAddress>) -> wasmtime::Result<Option<IpAddr>> {
    Ok(after.map(convert::address_in).transpose()?)
}

impl wit::Host for HostState {
    fn next_free(&mut self, within: IpRange, after: Option<IpAddress>) -> wasmtime::Result<Option<IpAddress>> {
        self.charge()?;
        let (within, after) = (convert::range_in(within)?, after_in(after)?);
        let Some(view) = &mut self.view else { return Ok(None) };
        Ok(view.next_free(within, after)?.map(convert::address_out))
    }

    fn state(&mut self, address: IpAddress) -> wasmtime::Result<wit::AddressState> {
        self.charge()?;
        let address = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(wit::AddressState::Outside) };
        Ok(match view.address_state(address)? {
            AddressState::Free => wit::AddressState::Free,
            AddressState::Leased => wit::AddressState::Leased,
            AddressState::Cooling => wit::AddressState::Cooling,
            AddressState::Reserved => wit::AddressState::Reserved,
            AddressState::Excluded => wit::AddressState::Excluded,
            AddressState::Draining => wit::AddressState::Draining,
            AddressState::Unusable => wit::AddressState::Unusable,
            AddressState::Outside => wit::AddressState::Outside,
        })
    }

    fn holder(&mut self, address: IpAddress) -> wasmtime::Result<Option<Resource<LeaseInfo>>> {
        self.charge()?;
        let address: IpAddr = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let Some(lease) = view.holder(address)? else { return Ok(None) };
        // The policy may keep it.
        self.charge_for(lease.bytes())?;
        Ok(Some(self.table.push(lease)?))
    }

    fn last_holder(&mut self, address: IpAddress) -> wasmtime::Result<Option<Resource<FormerHolderInfo>>> {
        self.charge()?;
        let address: IpAddr = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let Some(holder) = view.last_holder(address)? else { return Ok(None) };
        self.charge_for(holder.bytes())?;
        Ok(Some(self.table.push(holder)?))
    }

    fn used_count(&mut self, within: IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        self.view.as_mut().map_or(Ok(0), |view| Ok(view.used_count(within)?))
    }

    fn free_count(&mut self, within: IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        self.view.as_mut().map_or(Ok(0), |view| Ok(view.free_count(within)?))
    }

    fn list(
        &mut self,
        within: IpRange,
        after: Option<IpAddress>,
        limit: u32,
    ) -> wasmtime::Result<Vec<Resource<LeaseInfo>>> {
        self.charge()?;
        let (within, after) = (convert::range_in(within)?, after_in(after)?);
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let leases = view.list(within, after, page(limit))?;
        self.push_leases(leases)
    }

    fn of_namespace(
        &mut self,
        namespace: String,
        after: Option<IpAddress>,
        limit: u32,
    ) -> wasmtime::Result<Vec<Resource<LeaseInfo>>> {
        self.charge_for(namespace.len())?;
        let after = after_in(after)?;
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let leases = view.of_namespace(&namespace, after, page(limit))?;
        self.push_leases(leases)
    }

    fn count_of_namespace(&mut self, namespace: String) -> wasmtime::Result<u64> {
        self.charge_for(namespace.len())?;
        self.view.as_mut().map_or(Ok(0), |view| Ok(view.count_of_namespace(&namespace)?))
    }

    fn free_ranges(&mut self, within: IpRange, after: Option<IpAddress>, limit: u32) -> wasmtime::Result<Vec<IpRange>> {
        self.charge()?;
        let (within, after) = (convert::range_in(within)?, after_in(after)?);
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let ranges: Vec<IpRange> =
            view.free_ranges(within, after, page(limit))?.into_iter().map(convert::range_out).collect();
        self.charge_for(ranges.bytes())?;
        Ok(ranges)
    }
}

impl wit::HostLease for HostState {
    fn address(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<IpAddress> {
        self.getter(&lease, |lease| convert::address_out(lease.address))
    }

    fn container_id(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<String> {
        self.getter(&lease, |lease| lease.key.container_id.clone())
    }

    fn interface_name(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<String> {
        self.getter(&lease, |lease| lease.key.interface.clone())
    }

    fn since(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<u64> {
        self.getter(&lease, |lease| lease.since)
    }

    fn pod_namespace(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<Option<String>> {
        self.getter(&lease, |lease| lease.pod.namespace.clone())
    }

    fn pod_name(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<Option<String>> {
        self.getter(&lease, |lease| lease.pod.name.clone())
    }

    fn reason(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<Option<String>> {
        self.getter(&lease, |lease| lease.reason.clone())
    }

    fn drop(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<()> {
        self.table.delete(lease)?;
        Ok(())
    }
}

impl wit::HostFormerHolder for HostState {
    fn container_id(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<String> {
        self.getter(&holder, |of| of.holder.key.container_id.clone())
    }

    fn interface_name(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<String> {
        self.getter(&holder, |of| of.holder.key.interface.clone())
    }

    fn pod_namespace(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<Option<String>> {
        self.getter(&holder, |of| of.holder.pod.namespace.clone())
    }

    fn pod_name(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<Option<String>> {
        self.getter(&holder, |of| of.holder.pod.name.clone())
    }

    fn freed_at(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<u64> {
        self.getter(&holder, |of| of.freed_at)
    }

    fn drop(&mut self, holder: Resource<FormerHolderInfo>) -> wasmtime::Result<()> {
        self.table.delete(holder)?;
        Ok(())
    }
}
