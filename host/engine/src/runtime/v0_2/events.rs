//! Interface `events`: the events that optional exports receive.

use std::net::IpAddr;

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::IpAddress;
use super::bindings::gingham::ipam::context::Fact as WitFact;
use super::bindings::gingham::ipam::events as wit;
use super::convert;
use crate::attachment::{Adopted, Ended};
use crate::runtime::state::HostState;
use crate::runtime::view::page;

impl wit::Host for HostState {}

/// The pod of an attachment that no container has is none.
fn of_pod(ended: &Ended, value: Option<&String>) -> WitFact {
    match value {
        Some(value) => WitFact::Known(value.clone()),
        None if !ended.key.is_of_container() => WitFact::Absent,
        None => WitFact::Unknown,
    }
}

fn out(addresses: &[IpAddr]) -> Vec<IpAddress> {
    addresses.iter().copied().map(convert::address_out).collect()
}

impl wit::HostEnded for HostState {
    fn container_id(&mut self, ended: Resource<Ended>) -> wasmtime::Result<String> {
        self.getter(&ended, |ended| ended.key.container_id.clone())
    }

    fn interface_name(&mut self, ended: Resource<Ended>) -> wasmtime::Result<String> {
        self.getter(&ended, |ended| ended.key.interface.clone())
    }

    fn addresses(&mut self, ended: Resource<Ended>) -> wasmtime::Result<Vec<IpAddress>> {
        self.getter(&ended, |ended| out(&ended.addresses))
    }

    fn pod_namespace(&mut self, ended: Resource<Ended>) -> wasmtime::Result<WitFact> {
        self.getter(&ended, |ended| of_pod(ended, ended.pod.namespace.as_ref()))
    }

    fn pod_name(&mut self, ended: Resource<Ended>) -> wasmtime::Result<WitFact> {
        self.getter(&ended, |ended| of_pod(ended, ended.pod.name.as_ref()))
    }

    fn now(&mut self, ended: Resource<Ended>) -> wasmtime::Result<u64> {
        self.getter(&ended, |ended| ended.now)
    }

    fn drop(&mut self, ended: Resource<Ended>) -> wasmtime::Result<()> {
        self.table.delete(ended)?;
        Ok(())
    }
}

impl wit::HostAdopted for HostState {
    fn addresses(
        &mut self,
        adopted: Resource<Adopted>,
        after: Option<IpAddress>,
        limit: u32,
    ) -> wasmtime::Result<Vec<IpAddress>> {
        let after = after.map(convert::address_in).transpose()?;
        self.getter(&adopted, |adopted| {
            let from = after.map_or(0, |after| adopted.addresses.partition_point(|address| *address <= after));
            out(&adopted.addresses[from..adopted.addresses.len().min(from + page(limit))])
        })
    }

    fn last_reserved(&mut self, adopted: Resource<Adopted>) -> wasmtime::Result<Vec<(u32, IpAddress)>> {
        let last = self.table.get(&adopted)?.last_reserved.clone();
        let last: Vec<_> = last.into_iter().map(|(index, address)| (index, convert::address_out(address))).collect();
        self.charge_for(size_of_val(last.as_slice()))?;
        Ok(last)
    }

    fn now(&mut self, adopted: Resource<Adopted>) -> wasmtime::Result<u64> {
        self.getter(&adopted, |adopted| adopted.now)
    }

    fn drop(&mut self, adopted: Resource<Adopted>) -> wasmtime::Result<()> {
        self.table.delete(adopted)?;
        Ok(())
    }
}
