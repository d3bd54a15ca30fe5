//! Interface `addresses`: routes are built in the host, call by call.

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses as wit;
use super::convert;
use crate::attachment::Route;
use crate::runtime::state::HostState;

impl wit::Host for HostState {}

impl HostState {
    fn change_route(&mut self, route: &Resource<Route>, change: impl FnOnce(&mut Route)) -> wasmtime::Result<()> {
        self.charge()?;
        change(self.table.get_mut(route)?);
        Ok(())
    }
}

impl wit::HostRoute for HostState {
    fn new(&mut self, destination: wit::IpPrefix) -> wasmtime::Result<Resource<Route>> {
        self.charge()?;
        let destination = convert::prefix_in(destination)?;
        Ok(self.table.push(Route::to(destination))?)
    }

    fn set_gateway(&mut self, route: Resource<Route>, gateway: wit::IpAddress) -> wasmtime::Result<()> {
        let gateway = convert::address_in(gateway)?;
        self.change_route(&route, |route| route.gateway = Some(gateway))
    }

    fn set_mtu(&mut self, route: Resource<Route>, bytes: u32) -> wasmtime::Result<()> {
        self.change_route(&route, |route| route.mtu = Some(bytes))
    }

    fn set_advmss(&mut self, route: Resource<Route>, bytes: u32) -> wasmtime::Result<()> {
        self.change_route(&route, |route| route.advmss = Some(bytes))
    }

    fn set_priority(&mut self, route: Resource<Route>, metric: u32) -> wasmtime::Result<()> {
        self.change_route(&route, |route| route.priority = Some(metric))
    }

    fn set_table(&mut self, route: Resource<Route>, number: u32) -> wasmtime::Result<()> {
        self.change_route(&route, |route| route.table = Some(number))
    }

    fn set_scope(&mut self, route: Resource<Route>, scope: u32) -> wasmtime::Result<()> {
        self.change_route(&route, |route| route.scope = Some(scope))
    }

    fn drop(&mut self, route: Resource<Route>) -> wasmtime::Result<()> {
        self.table.delete(route)?;
        Ok(())
    }
}
