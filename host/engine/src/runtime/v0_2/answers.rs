//! Interface `answers`: what a policy answers, built in the host, call by call.

use std::time::Duration;

use wasmtime::component::Resource;

use super::bindings::gingham::ipam::addresses::{Dns, IpAddress, IpPrefix};
use super::bindings::gingham::ipam::answers as wit;
use super::convert::{self, MESSAGE_BYTES, one_line};
use crate::attachment::{Answer, Assigned, Problem, Refusal, Route};
use crate::runtime::state::HostState;
use crate::runtime::weight::Weight;

impl wit::Host for HostState {}

impl wit::HostAnswer for HostState {
    fn new(&mut self) -> wasmtime::Result<Resource<Answer>> {
        self.charge()?;
        Ok(self.table.push(Answer::default())?)
    }

    fn add_address(
        &mut self,
        answer: Resource<Answer>,
        address: IpPrefix,
        gateway: Option<IpAddress>,
    ) -> wasmtime::Result<()> {
        self.charge()?;
        let address = convert::prefix_in(address)?;
        let gateway = gateway.map(convert::address_in).transpose()?;
        self.table.get_mut(&answer)?.addresses.push(Assigned { address, gateway });
        Ok(())
    }

    fn add_route(&mut self, answer: Resource<Answer>, route: Resource<Route>) -> wasmtime::Result<()> {
        self.charge()?;
        let route = self.table.delete(route)?;
        self.table.get_mut(&answer)?.routes.push(route);
        Ok(())
    }

    fn set_dns(&mut self, answer: Resource<Answer>, dns: Dns) -> wasmtime::Result<()> {
        self.charge_for(dns.bytes())?;
        self.table.get_mut(&answer)?.dns = Some(convert::dns_in(dns));
        Ok(())
    }

    fn set_reason(&mut self, answer: Resource<Answer>, reason: String) -> wasmtime::Result<()> {
        self.charge_for(reason.len())?;
        let reason = one_line(&reason, MESSAGE_BYTES);
        self.table.get_mut(&answer)?.reason = Some(reason);
        Ok(())
    }

    fn drop(&mut self, answer: Resource<Answer>) -> wasmtime::Result<()> {
        self.table.delete(answer)?;
        Ok(())
    }
}

impl wit::HostProblem for HostState {
    fn new(&mut self, key: String, message: String) -> wasmtime::Result<Resource<Problem>> {
        self.charge_for(key.len() + message.len())?;
        let problem = Problem { key: one_line(&key, MESSAGE_BYTES), message: one_line(&message, MESSAGE_BYTES) };
        Ok(self.table.push(problem)?)
    }

    fn drop(&mut self, problem: Resource<Problem>) -> wasmtime::Result<()> {
        self.table.delete(problem)?;
        Ok(())
    }
}

impl HostState {
    fn refusal(
        &mut self,
        message: &str,
        refusal: impl FnOnce(String) -> Refusal,
    ) -> wasmtime::Result<Resource<Refusal>> {
        self.charge_for(message.len())?;
        Ok(self.table.push(refusal(one_line(message, MESSAGE_BYTES)))?)
    }
}

impl wit::HostRefusal for HostState {
    fn exhausted(&mut self, message: String) -> wasmtime::Result<Resource<Refusal>> {
        self.refusal(&message, Refusal::Exhausted)
    }

    fn unavailable(&mut self, message: String) -> wasmtime::Result<Resource<Refusal>> {
        self.refusal(&message, Refusal::Unavailable)
    }

    fn try_again(&mut self, message: String, after_ms: Option<u64>) -> wasmtime::Result<Resource<Refusal>> {
        let after = after_ms.map(Duration::from_millis);
        self.refusal(&message, |message| Refusal::TryAgain { message, after })
    }

    fn denied(&mut self, message: String) -> wasmtime::Result<Resource<Refusal>> {
        self.refusal(&message, Refusal::Denied)
    }

    fn invalid_config(&mut self, problem: Resource<Problem>) -> wasmtime::Result<Resource<Refusal>> {
        self.charge()?;
        let problem = self.table.delete(problem)?;
        Ok(self.table.push(Refusal::InvalidConfig(problem))?)
    }

    fn other(&mut self, message: String) -> wasmtime::Result<Resource<Refusal>> {
        self.refusal(&message, Refusal::Other)
    }

    fn drop(&mut self, refusal: Resource<Refusal>) -> wasmtime::Result<()> {
        self.table.delete(refusal)?;
        Ok(())
    }
}
