//! Interface `pools`: where the network's addresses lie, built in the host, call by call.

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::{IpAddress, IpPrefix, IpRange};
use super::bindings::gingham::ipam::pools as wit;
use super::convert;
use crate::pool::{Edges, Pool, PoolRange};
use crate::runtime::state::HostState;

/// Bytes kept of a pool's name: it is there for messages.
const POOL_NAME_BYTES: usize = 256;

impl wit::Host for HostState {}

impl wit::HostPoolRange for HostState {
    fn new(&mut self, prefix: IpPrefix, range: IpRange) -> wasmtime::Result<Resource<PoolRange>> {
        self.charge()?;
        let range = PoolRange {
            prefix: convert::prefix_in(prefix)?.trunc(),
            range: convert::range_in(range)?,
            gateway: None,
            edges: Edges::default(),
            draining: false,
        };
        Ok(self.table.push(range)?)
    }

    fn set_gateway(&mut self, range: Resource<PoolRange>, gateway: IpAddress) -> wasmtime::Result<()> {
        self.charge()?;
        let gateway = convert::address_in(gateway)?;
        self.table.get_mut(&range)?.gateway = Some(gateway);
        Ok(())
    }

    fn allow_network_address(&mut self, range: Resource<PoolRange>) -> wasmtime::Result<()> {
        self.charge()?;
        self.table.get_mut(&range)?.edges.network = true;
        Ok(())
    }

    fn allow_broadcast_address(&mut self, range: Resource<PoolRange>) -> wasmtime::Result<()> {
        self.charge()?;
        self.table.get_mut(&range)?.edges.broadcast = true;
        Ok(())
    }

    fn set_draining(&mut self, range: Resource<PoolRange>) -> wasmtime::Result<()> {
        self.charge()?;
        self.table.get_mut(&range)?.draining = true;
        Ok(())
    }

    fn drop(&mut self, range: Resource<PoolRange>) -> wasmtime::Result<()> {
        self.table.delete(range)?;
        Ok(())
    }
}

impl wit::HostPool for HostState {
    fn new(&mut self, name: String) -> wasmtime::Result<Resource<Pool>> {
        self.charge_for(name.len())?;
        let name = convert::one_line(&name, POOL_NAME_BYTES);
        Ok(self.table.push(Pool { name, ranges: Vec::new() })?)
    }

    fn add_range(&mut self, pool: Resource<Pool>, range: Resource<PoolRange>) -> wasmtime::Result<()> {
        self.charge()?;
        let range = self.table.delete(range)?;
        self.table.get_mut(&pool)?.ranges.push(range);
        Ok(())
    }

    fn drop(&mut self, pool: Resource<Pool>) -> wasmtime::Result<()> {
        self.table.delete(pool)?;
        Ok(())
    }
}
