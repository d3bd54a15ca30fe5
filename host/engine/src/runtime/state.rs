//! What the host keeps beside a running policy, and the contract's imports as methods of it: translate, ask,
//! translate back.

use std::net::IpAddr;
use std::sync::Arc;

use wasmtime::component::{Resource, ResourceTable};

use super::bindings::gingham::ipam::{addresses as wit, attachment as wit_attachment, leases, log, memory};
use super::convert;
use super::declared::{DeclaredAnswer, DeclaredPool, DeclaredRange};
use super::limits::{HOST_CALLS, Meter};
use super::view::{AddressState, LeaseInfo, LeaseView, NoteError, ViewError};
use super::weight::Weight;
use crate::attachment::Request;
use crate::ownership::grid::Picture;

/// How much the operator should care about a line of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the policy's author.
    Debug,
    /// Worth a line.
    Info,
    /// Something may be wrong.
    Warn,
    /// Something is wrong.
    Error,
}

/// One line a policy logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its weight.
    pub level: LogLevel,
    /// Its text, at most 1,024 bytes.
    pub message: String,
}

/// Lines kept per session; bytes kept per line.
const LOG_LINES: usize = 64;
const LOG_LINE_BYTES: usize = 1024;

/// Bytes kept of a pool's name: it is there for messages.
const POOL_NAME_BYTES: usize = 256;

/// Bytes in or out of a call that cost as much as the call itself. Without this a policy could make the host copy, or
/// keep, many gigabytes within its budget of calls.
const BYTES_PER_CALL: usize = 64;

/// The state of one session. `V` is none while the configuration is checked: then there are no leases to see.
pub(crate) struct HostState<V> {
    pub(crate) table: ResourceTable,
    pub(crate) meter: Meter,
    pub(crate) view: Option<V>,
    /// The cluster, for a policy that divides one.
    pub(crate) picture: Option<Arc<Picture>>,
    /// The node's name, as the request tells it.
    pub(crate) node: String,
    pub(crate) lines: Vec<LogLine>,
    pub(crate) lines_dropped: usize,
    pub(crate) calls_left: u64,
}

impl<V: LeaseView + 'static> HostState<V> {
    pub(crate) fn new(memory_limit: usize) -> Self {
        Self {
            table: ResourceTable::new(),
            meter: Meter::new(memory_limit),
            view: None,
            picture: None,
            node: String::new(),
            lines: Vec::new(),
            lines_dropped: 0,
            calls_left: HOST_CALLS,
        }
    }

    /// Each question to the host costs a piece of the budget, however small.
    pub(super) fn charge(&mut self) -> Result<(), ViewError> {
        self.charge_for(0)
    }

    /// The same for a call that carries texts or lists. What a call brings is charged first of all, and what it takes
    /// back before it is written into the policy's memory: wasmtime bounds one call, this bounds all of them.
    pub(super) fn charge_for(&mut self, bytes: usize) -> Result<(), ViewError> {
        self.spend(1 + (bytes / BYTES_PER_CALL) as u64)
    }

    /// Takes this much of the budget.
    pub(super) fn spend(&mut self, calls: u64) -> Result<(), ViewError> {
        self.calls_left = self.calls_left.checked_sub(calls).ok_or(ViewError::Budget)?;
        Ok(())
    }

    /// Answers a getter of the request, at the price of what it gives.
    fn tell<T: Weight>(&mut self, request: &Resource<Request>, get: impl FnOnce(&Request) -> T) -> wasmtime::Result<T> {
        let told = get(self.table.get(request)?);
        self.charge_for(told.bytes())?;
        Ok(told)
    }

    /// The same of a lease.
    fn tell_of<T: Weight>(
        &mut self,
        lease: &Resource<LeaseInfo>,
        get: impl FnOnce(&LeaseInfo) -> T,
    ) -> wasmtime::Result<T> {
        let told = get(self.table.get(lease)?);
        self.charge_for(told.bytes())?;
        Ok(told)
    }
}

impl<V: LeaseView + 'static> wit::Host for HostState<V> {}

impl<V: LeaseView + 'static> leases::Host for HostState<V> {
    fn next_free(
        &mut self,
        within: wit::IpRange,
        after: Option<wit::IpAddress>,
    ) -> wasmtime::Result<Option<wit::IpAddress>> {
        self.charge()?;
        let within = convert::range_in(within)?;
        let after = after.map(convert::address_in).transpose()?;
        let Some(view) = &mut self.view else { return Ok(None) };
        Ok(view.next_free(within, after)?.map(convert::address_out))
    }

    fn state(&mut self, address: wit::IpAddress) -> wasmtime::Result<leases::AddressState> {
        self.charge()?;
        let address = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(leases::AddressState::Outside) };
        Ok(match view.state(address)? {
            AddressState::Free => leases::AddressState::Free,
            AddressState::Leased => leases::AddressState::Leased,
            AddressState::Resting => leases::AddressState::Resting,
            AddressState::Excluded => leases::AddressState::Excluded,
            AddressState::Reserved => leases::AddressState::Reserved,
            AddressState::Outside => leases::AddressState::Outside,
        })
    }

    fn holder(&mut self, address: wit::IpAddress) -> wasmtime::Result<Option<Resource<LeaseInfo>>> {
        self.charge()?;
        let address: IpAddr = convert::address_in(address)?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let Some(lease) = view.holder(address)? else { return Ok(None) };
        // The policy may keep it.
        self.charge_for(lease.bytes())?;
        Ok(Some(self.table.push(lease)?))
    }

    fn used_count(&mut self, within: wit::IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        self.view.as_mut().map_or(Ok(0), |view| Ok(view.used_count(within)?))
    }

    fn free_count(&mut self, within: wit::IpRange) -> wasmtime::Result<u64> {
        self.charge()?;
        let within = convert::range_in(within)?;
        self.view.as_mut().map_or(Ok(0), |view| Ok(view.free_count(within)?))
    }
}

impl<V: LeaseView + 'static> leases::HostLease for HostState<V> {
    fn address(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<wit::IpAddress> {
        self.tell_of(&lease, |lease| convert::address_out(lease.address))
    }

    fn container_id(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<String> {
        self.tell_of(&lease, |lease| lease.key.container_id.clone())
    }

    fn interface_name(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<String> {
        self.tell_of(&lease, |lease| lease.key.interface.clone())
    }

    fn since(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<u64> {
        self.tell_of(&lease, |lease| lease.since)
    }

    fn pod_namespace(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<Option<String>> {
        self.tell_of(&lease, |lease| lease.pod.namespace.clone())
    }

    fn pod_name(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<Option<String>> {
        self.tell_of(&lease, |lease| lease.pod.name.clone())
    }

    fn drop(&mut self, lease: Resource<LeaseInfo>) -> wasmtime::Result<()> {
        self.table.delete(lease)?;
        Ok(())
    }
}

impl<V: LeaseView + 'static> memory::Host for HostState<V> {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge_for(key.len())?;
        let Some(view) = &mut self.view else { return Ok(None) };
        let note = view.note(&key)?;
        self.charge_for(note.as_ref().map_or(0, Vec::len))?;
        Ok(note)
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), memory::MemoryError>> {
        self.charge_for(key.len() + value.len())?;
        let Some(view) = &mut self.view else { return Ok(Ok(())) };
        Ok(view.set_note(&key, value)?.map_err(|error| match error {
            NoteError::Full => memory::MemoryError::Full,
            NoteError::BadKey => memory::MemoryError::BadKey,
            NoteError::TooLong => memory::MemoryError::TooLong,
        }))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge_for(key.len())?;
        self.view.as_mut().map_or(Ok(()), |view| Ok(view.delete_note(&key)?))
    }

    fn keys(&mut self, prefix: String, after: Option<String>) -> wasmtime::Result<Vec<String>> {
        self.charge_for(prefix.len() + after.bytes())?;
        let Some(view) = &mut self.view else { return Ok(Vec::new()) };
        let keys = view.note_keys(&prefix, after.as_deref())?;
        self.charge_for(keys.bytes())?;
        Ok(keys)
    }
}

impl<V: LeaseView + 'static> log::Host for HostState<V> {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.charge_for(message.len())?;
        if self.lines.len() >= LOG_LINES {
            self.lines_dropped += 1;
            return Ok(());
        }
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.lines.push(LogLine { level, message: convert::one_line(&message, LOG_LINE_BYTES) });
        Ok(())
    }
}

impl<V: LeaseView + 'static> wit_attachment::Host for HostState<V> {}

impl<V: LeaseView + 'static> wit_attachment::HostRequest for HostState<V> {
    fn network(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.tell(&request, |request| request.network.clone())
    }

    fn container_id(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.tell(&request, |request| request.key.container_id.clone())
    }

    fn interface_name(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.tell(&request, |request| request.key.interface.clone())
    }

    fn pod_namespace(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<String>> {
        self.tell(&request, |request| request.pod.namespace.clone())
    }

    fn pod_name(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<String>> {
        self.tell(&request, |request| request.pod.name.clone())
    }

    fn pod_uid(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<String>> {
        self.tell(&request, |request| request.pod.uid.clone())
    }

    fn node_name(&mut self, request: Resource<Request>) -> wasmtime::Result<String> {
        self.tell(&request, |request| request.node.clone())
    }

    fn argument(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<Option<String>> {
        // Each argument that is compared counts as a byte.
        let compared = self.table.get(&request)?.arguments.len();
        self.charge_for(key.len() + compared)?;
        self.tell(&request, |request| {
            let mut arguments = request.arguments.iter();
            arguments.find(|(name, _)| *name == key).map(|(_, value)| value.clone())
        })
    }

    fn arguments(&mut self, request: Resource<Request>) -> wasmtime::Result<Vec<(String, String)>> {
        self.tell(&request, |request| request.arguments.clone())
    }

    fn annotation(&mut self, request: Resource<Request>, key: String) -> wasmtime::Result<Option<String>> {
        self.charge_for(key.len())?;
        self.tell(&request, |request| request.annotations.get(&key).cloned())
    }

    fn annotations(&mut self, request: Resource<Request>) -> wasmtime::Result<Vec<(String, String)>> {
        self.tell(&request, |request| {
            request.annotations.iter().map(|(key, value)| (key.clone(), value.clone())).collect::<Vec<_>>()
        })
    }

    fn requested_addresses(&mut self, request: Resource<Request>) -> wasmtime::Result<Vec<wit::IpAddress>> {
        self.tell(&request, |request| request.requested.iter().copied().map(convert::address_out).collect::<Vec<_>>())
    }

    fn mac(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<(u8, u8, u8, u8, u8, u8)>> {
        self.tell(&request, |request| request.mac.map(|[a, b, c, d, e, f]| (a, b, c, d, e, f)))
    }

    fn resolv_conf(&mut self, request: Resource<Request>) -> wasmtime::Result<Option<wit::Dns>> {
        self.tell(&request, |request| request.resolv_conf.as_ref().map(convert::dns_out))
    }

    fn now(&mut self, request: Resource<Request>) -> wasmtime::Result<u64> {
        self.tell(&request, |request| request.now)
    }

    fn seed(&mut self, request: Resource<Request>) -> wasmtime::Result<u64> {
        self.tell(&request, |request| request.seed)
    }

    fn drop(&mut self, request: Resource<Request>) -> wasmtime::Result<()> {
        self.table.delete(request)?;
        Ok(())
    }
}

impl<V: LeaseView + 'static> wit_attachment::HostPool for HostState<V> {
    fn new(&mut self, name: String) -> wasmtime::Result<Resource<DeclaredPool>> {
        self.charge_for(name.len())?;
        let name = convert::one_line(&name, POOL_NAME_BYTES);
        Ok(self.table.push(DeclaredPool { name, ranges: Vec::new() })?)
    }

    fn add_range(
        &mut self,
        pool: Resource<DeclaredPool>,
        prefix: wit::IpPrefix,
        range: wit::IpRange,
        gateway: Option<wit::IpAddress>,
        edges: wit_attachment::Edges,
    ) -> wasmtime::Result<()> {
        self.charge()?;
        let declared = DeclaredRange {
            prefix: convert::prefix_in(prefix)?.trunc(),
            range: convert::range_in(range)?,
            gateway: gateway.map(convert::address_in).transpose()?,
            edges: convert::edges_in(edges),
        };
        self.table.get_mut(&pool)?.ranges.push(declared);
        Ok(())
    }

    fn drop(&mut self, pool: Resource<DeclaredPool>) -> wasmtime::Result<()> {
        self.table.delete(pool)?;
        Ok(())
    }
}

impl<V: LeaseView + 'static> wit_attachment::HostAnswer for HostState<V> {
    fn new(&mut self) -> wasmtime::Result<Resource<DeclaredAnswer>> {
        self.charge()?;
        Ok(self.table.push(DeclaredAnswer::default())?)
    }

    fn add_address(
        &mut self,
        answer: Resource<DeclaredAnswer>,
        address: wit::IpPrefix,
        gateway: Option<wit::IpAddress>,
    ) -> wasmtime::Result<()> {
        self.charge()?;
        let address = convert::prefix_in(address)?;
        let gateway = gateway.map(convert::address_in).transpose()?;
        self.table.get_mut(&answer)?.addresses.push(crate::attachment::Assigned { address, gateway });
        Ok(())
    }

    fn add_route(&mut self, answer: Resource<DeclaredAnswer>, route: wit::Route) -> wasmtime::Result<()> {
        self.charge()?;
        let route = convert::route_in(route)?;
        self.table.get_mut(&answer)?.routes.push(route);
        Ok(())
    }

    fn set_dns(&mut self, answer: Resource<DeclaredAnswer>, dns: wit::Dns) -> wasmtime::Result<()> {
        self.charge_for(dns.bytes())?;
        self.table.get_mut(&answer)?.dns = Some(convert::dns_in(dns));
        Ok(())
    }

    fn drop(&mut self, answer: Resource<DeclaredAnswer>) -> wasmtime::Result<()> {
        self.table.delete(answer)?;
        Ok(())
    }
}
