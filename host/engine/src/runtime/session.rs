//! One request's run of a policy: a fresh instance, its limits, and the calls of the contract.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, HasSelf, Instance, Lift, Linker, Lower, Resource, TypedFunc};

use super::Policy;
use super::bindings::gingham::ipam::{self as contract, attachment as wit};
use super::contract::{ALLOCATE, CHECK_CONFIG, RELEASE};
use super::convert;
use super::declared::{DeclaredAnswer, DeclaredPool};
use super::fault::{CallError, PolicyFault, diagnose};
use super::limits::{HANDLES, HOST_CALL_BYTES, HOST_CALLS, Limits};
use super::state::{HostState, LogLine};
use super::view::LeaseView;
use crate::attachment::{Answer, Ended, Problem, Refusal, Request};
use crate::ownership::grid::Picture;
use crate::pool::{Pool, PoolRange};

/// The contract's results, as they come.
type DeclaredPools = Result<Vec<Resource<DeclaredPool>>, Vec<wit::Problem>>;
type SaidAnswer = Result<Resource<DeclaredAnswer>, wit::Refusal>;

/// What a session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Fuel of all calls, instantiation apart.
    pub fuel: u64,
    /// Host calls.
    pub host_calls: u64,
    /// Bytes of linear memory at the end.
    pub memory: usize,
}

/// A fresh instance of a policy. `V` shows it the leases once they are there to see.
pub struct Session<V: 'static> {
    store: Store<HostState<V>>,
    instance: Instance,
    limits: Limits,
    fuel_used: u64,
}

impl<V: LeaseView + 'static> Session<V> {
    /// Instantiates the policy.
    ///
    /// # Errors
    /// [`CallError::Policy`] if it does not even start.
    pub fn new(policy: &Policy, limits: Limits) -> Result<Self, CallError> {
        let mut store = Store::new(&policy.engine, HostState::new(limits.memory));
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_max_component_handles(HANDLES);
        let misfit = |error: wasmtime::Error| PolicyFault::Misfit { reason: format!("{error:#}") };
        let mut linker = Linker::new(&policy.engine);
        link(&mut linker, policy.imports_shares).map_err(misfit)?;
        let pre = linker.instantiate_pre(&policy.component).map_err(misfit)?;
        store.set_fuel(limits.fuel).map_err(misfit)?;
        let instance = pre.instantiate(&mut store).map_err(|error| diagnose(error, limits, &store.data().lines))?;
        Ok(Self { store, instance, limits, fuel_used: 0 })
    }

    /// Calls one export with the whole of the fuel.
    pub(super) fn call<P, R>(&mut self, export: &str, params: P) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let misfit = |error: wasmtime::Error| PolicyFault::Misfit { reason: format!("{error:#}") };
        let function = self.typed::<P, R>(export)?;
        self.store.set_fuel(self.limits.fuel).map_err(misfit)?;
        let result = function.call(&mut self.store, params);
        self.fuel_used += self.limits.fuel - self.store.get_fuel().unwrap_or(0);
        result.map_err(|error| diagnose(error, self.limits, &self.store.data().lines))
    }

    pub(super) fn typed<P, R>(&mut self, export: &str) -> Result<TypedFunc<P, R>, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let misfit = |error| PolicyFault::Misfit { reason: format!("{export}: {error:#}") };
        Ok(self.instance.get_typed_func::<P, R>(&mut self.store, export).map_err(misfit)?)
    }

    /// Checks, without calling anything, that the exports have the contract's types: once, when a policy is compiled.
    ///
    /// # Errors
    /// [`PolicyFault::Misfit`] names the export.
    #[cfg(feature = "compiler")]
    pub(crate) fn check_types(&mut self, policy: &Policy) -> Result<(), CallError> {
        self.typed::<(&str,), (DeclaredPools,)>(CHECK_CONFIG)?;
        self.typed::<(&str, Resource<Request>), (SaidAnswer,)>(ALLOCATE)?;
        if policy.has_release {
            self.typed::<(&str, wit::Ended), ()>(RELEASE)?;
        }
        if policy.is_cluster { self.check_cluster_types() } else { Ok(()) }
    }

    /// `check-config`: the pools of this configuration, or everything that is wrong with it.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn check_config(&mut self, config: &str) -> Result<Result<Vec<Pool>, Vec<Problem>>, CallError> {
        let (declared,): (DeclaredPools,) = self.call(CHECK_CONFIG, (config,))?;
        match declared {
            Err(problems) => Ok(Err(problems.iter().map(convert::problem_in).collect())),
            Ok(pools) => Ok(Ok(pools.into_iter().map(|pool| self.take_pool(pool)).collect::<Result<_, _>>()?)),
        }
    }

    fn take_pool(&mut self, pool: Resource<DeclaredPool>) -> Result<Pool, CallError> {
        let declared = self.store.data_mut().table.delete(pool).map_err(|error| misfit(&error))?;
        let ranges = declared.ranges.into_iter().map(|part| PoolRange {
            prefix: part.prefix,
            range: part.range,
            gateway: part.gateway,
            edges: part.edges,
        });
        Ok(Pool { name: declared.name, ranges: ranges.collect() })
    }

    /// `allocate`, with the leases in sight.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word. It is not checked here.
    pub fn allocate(&mut self, config: &str, request: &Request) -> Result<Result<Answer, Refusal>, CallError> {
        self.store.data_mut().node.clone_from(&request.node);
        let lent = self.store.data_mut().table.push(request.clone()).map_err(|error| misfit(&error))?;
        let borrowed = Resource::<Request>::new_borrow(lent.rep());
        let (declared,): (SaidAnswer,) = self.call(ALLOCATE, (config, borrowed))?;
        match declared {
            Err(refusal) => Ok(Err(convert::refusal_in(refusal))),
            Ok(answer) => {
                let declared = self.store.data_mut().table.delete(answer).map_err(|error| misfit(&error))?;
                Ok(Ok(Answer { addresses: declared.addresses, routes: declared.routes, dns: declared.dns }))
            }
        }
    }

    /// `release`.
    ///
    /// # Errors
    /// [`CallError`]
    pub fn release(&mut self, config: &str, ended: &Ended) -> Result<(), CallError> {
        let ended = wit::Ended {
            container_id: ended.key.container_id.clone(),
            interface_name: ended.key.interface.clone(),
            addresses: ended.addresses.iter().copied().map(convert::address_out).collect(),
            pod_namespace: ended.pod.namespace.clone(),
            pod_name: ended.pod.name.clone(),
            now: ended.now,
        };
        self.call::<_, ()>(RELEASE, (config, ended))
    }

    /// Shows the policy the leases from now on.
    pub fn show(&mut self, view: V) {
        self.store.data_mut().view = Some(view);
    }

    /// Shows the policy the cluster from now on. Without it the policy sees itself alone.
    pub fn show_cluster(&mut self, picture: Arc<Picture>) {
        self.store.data_mut().picture = Some(picture);
    }

    /// Takes the leases out of sight again.
    pub fn hide(&mut self) -> Option<V> {
        self.store.data_mut().view.take()
    }

    /// What the policy logged so far; the session forgets it. A last line tells of lines that were dropped.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        let state = self.store.data_mut();
        let mut lines = std::mem::take(&mut state.lines);
        let dropped = std::mem::take(&mut state.lines_dropped);
        if dropped > 0 {
            let message = format!("{dropped} more lines were dropped");
            lines.push(LogLine { level: super::LogLevel::Warn, message });
        }
        lines
    }

    /// What the session has cost so far.
    pub fn usage(&self) -> Usage {
        let state = self.store.data();
        Usage { fuel: self.fuel_used, host_calls: HOST_CALLS - state.calls_left, memory: state.meter.used() }
    }
}

/// What a policy may import. `shares` is made only for those that look at it: every function costs each ADD some time.
fn link<V: LeaseView + 'static>(linker: &mut Linker<HostState<V>>, shares: bool) -> wasmtime::Result<()> {
    contract::addresses::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    contract::leases::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    contract::memory::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    contract::log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    contract::attachment::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    if shares {
        contract::shares::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    }
    Ok(())
}

/// Handles that are not what they should be: the contract's types make it impossible.
fn misfit(error: &dyn std::error::Error) -> CallError {
    PolicyFault::Misfit { reason: error.to_string() }.into()
}
