//! One request's run of a policy: a fresh instance, its limits, and the calls of the contract.

use std::any::Any;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Linker, Lower, Resource, TypedFunc};

use super::Policy;
use super::contract::{ADOPT, ALLOCATE, CHECK_CONFIG, Function, RELEASE};
use super::fault::{CallError, PolicyFault, diagnose};
use super::limits::{HANDLES, HOST_CALL_BYTES, HOST_CALLS, Limits};
use super::observer::{Observed, Observer};
use super::state::{HostState, LogLine};
use super::v0_2;
use super::view::PolicyView;
use crate::attachment::{Adopted, Answer, Context, Ended, Problem, Refusal, Request};
use crate::pool::Pool;
use gingham_ownership::grid::BlockMap;

type DeclaredPools = Result<Vec<Resource<Pool>>, Vec<Resource<Problem>>>;
type AllocateResult = Result<Resource<Answer>, Resource<Refusal>>;

/// What a session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Fuel of all calls, instantiation apart.
    pub fuel: u64,
    pub host_calls: u64,
    /// Bytes of linear memory at the end.
    pub memory: usize,
}

/// A fresh instance of a policy.
pub struct Session {
    store: Store<HostState>,
    instance: Instance,
    limits: Limits,
    fuel_used: u64,
    observer: Option<Arc<dyn Observer>>,
    /// The handle of the context, in the store's table.
    context: u32,
}

impl Session {
    /// Instantiates the policy.
    ///
    /// # Errors
    /// [`CallError::Policy`] if it does not even start.
    pub fn new(policy: &Policy, limits: Limits, context: &Context) -> Result<Self, CallError> {
        let mut store = Store::new(&policy.engine, HostState::new(limits.memory, context.node.clone()));
        #[cfg(feature = "compiler")]
        store.data_mut().observer.clone_from(&policy.observer);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_max_component_handles(HANDLES);
        let misfit = |error: wasmtime::Error| PolicyFault::Misfit { reason: format!("{error:#}") };
        let mut linker = Linker::new(&policy.engine);
        let traces = policy.observer.as_ref().is_some_and(|observer| observer.wants_host_calls());
        v0_2::link(&mut linker, &policy.imports, traces).map_err(misfit)?;
        let pre = linker.instantiate_pre(&policy.component).map_err(misfit)?;
        store.set_fuel(limits.fuel).map_err(misfit)?;
        let instance = pre.instantiate(&mut store).map_err(|error| diagnose(error, limits, &store.data().lines))?;
        let context = store.data_mut().table.push(context.clone()).map_err(|error| unfit(&error))?.rep();
        Ok(Self { store, instance, limits, fuel_used: 0, observer: policy.observer.clone(), context })
    }

    /// Calls one export with the whole of the fuel.
    pub(super) fn call<P, R>(&mut self, export: Function, params: P) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let misfit = |error: wasmtime::Error| PolicyFault::Misfit { reason: format!("{error:#}") };
        let function = self.typed::<P, R>(export)?;
        self.store.set_fuel(self.limits.fuel).map_err(misfit)?;
        let observed = self.observer.clone().map(|observer| Observed::begin(observer, export.name, self.usage()));
        let result = function.call(&mut self.store, params);
        self.fuel_used += self.limits.fuel - self.store.get_fuel().unwrap_or(0);
        if let Some(observed) = observed {
            observed.end(self.usage(), result.is_err());
        }
        result.map_err(|error| diagnose(error, self.limits, &self.store.data().lines))
    }

    pub(super) fn typed<P, R>(&mut self, export: Function) -> Result<TypedFunc<P, R>, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let Function { interface, name } = export;
        let missing = || PolicyFault::Misfit { reason: format!("{interface}: it has no function {name}") };
        let misfit = |error| PolicyFault::Misfit { reason: format!("{interface}.{name}: {error:#}") };
        let instance = self.instance.get_export_index(&mut self.store, None, &export.instance()).ok_or_else(missing)?;
        let function = self.instance.get_export_index(&mut self.store, Some(&instance), name).ok_or_else(missing)?;
        Ok(self.instance.get_typed_func::<P, R>(&mut self.store, &function).map_err(misfit)?)
    }

    /// Checks, without calling anything, that the exports have the contract's types: once, when a policy is compiled.
    ///
    /// # Errors
    /// [`PolicyFault::Misfit`] names the export.
    #[cfg(feature = "compiler")]
    pub(crate) fn check_types(&mut self, policy: &Policy) -> Result<(), CallError> {
        self.typed::<(&str, Resource<Context>), (DeclaredPools,)>(CHECK_CONFIG)?;
        self.typed::<(&str, Resource<Context>, Resource<Request>), (AllocateResult,)>(ALLOCATE)?;
        if policy.has_release {
            self.typed::<(&str, Resource<Context>, Resource<Ended>), ()>(RELEASE)?;
        }
        if policy.has_adoption {
            self.typed::<(&str, Resource<Context>, Resource<Adopted>), ()>(ADOPT)?;
        }
        if policy.is_cluster { self.check_cluster_types() } else { Ok(()) }
    }

    /// The context, lent for one call.
    pub(super) fn context(&self) -> Resource<Context> {
        Resource::new_borrow(self.context)
    }

    /// Puts a value where the policy can look at it during one call.
    fn lend<T: Send + 'static>(&mut self, value: T) -> Result<Resource<T>, CallError> {
        let lent = self.store.data_mut().table.push(value).map_err(|error| unfit(&error))?;
        Ok(Resource::new_borrow(lent.rep()))
    }

    pub(super) fn take<T: 'static>(&mut self, built: Resource<T>) -> Result<T, CallError> {
        self.store.data_mut().table.delete(built).map_err(|error| unfit(&error))
    }

    pub(super) fn take_all<T: 'static>(&mut self, built: Vec<Resource<T>>) -> Result<Vec<T>, CallError> {
        built.into_iter().map(|built| self.take(built)).collect()
    }

    /// `check-config`: the pools of this configuration, or everything that is wrong with it.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn check_config(&mut self, config: &str) -> Result<Result<Vec<Pool>, Vec<Problem>>, CallError> {
        let context = self.context();
        let (declared,): (DeclaredPools,) = self.call(CHECK_CONFIG, (config, context))?;
        match declared {
            Err(problems) => Ok(Err(self.take_all(problems)?)),
            Ok(pools) => Ok(Ok(self.take_all(pools)?)),
        }
    }

    /// `allocate`, with the leases in sight.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word. It is not checked here.
    pub fn allocate(&mut self, config: &str, request: &Request) -> Result<Result<Answer, Refusal>, CallError> {
        let (context, request) = (self.context(), self.lend(request.clone())?);
        let (answer,): (AllocateResult,) = self.call(ALLOCATE, (config, context, request))?;
        match answer {
            Err(refusal) => Ok(Err(self.take(refusal)?)),
            Ok(answer) => Ok(Ok(self.take(answer)?)),
        }
    }

    /// `release`.
    pub fn release(&mut self, config: &str, ended: &Ended) -> Result<(), CallError> {
        let (context, ended) = (self.context(), self.lend(ended.clone())?);
        self.call::<_, ()>(RELEASE, (config, context, ended))
    }

    /// `adopt`.
    pub fn adopt(&mut self, config: &str, adopted: &Adopted) -> Result<(), CallError> {
        let (context, adopted) = (self.context(), self.lend(adopted.clone())?);
        self.call::<_, ()>(ADOPT, (config, context, adopted))
    }

    /// Shows the policy the leases from now on.
    pub fn show(&mut self, view: impl PolicyView) {
        self.store.data_mut().view = Some(Box::new(view));
    }

    /// Shows the policy the cluster from now on. Without it the policy sees itself alone.
    pub fn show_cluster(&mut self, picture: Arc<BlockMap>) {
        self.store.data_mut().picture = Some(picture);
    }

    /// Takes the leases out of sight again: the view that was shown, of the type that it was shown with.
    pub fn hide<V: PolicyView>(&mut self) -> Option<V> {
        let view: Box<dyn Any> = self.store.data_mut().view.take()?;
        view.downcast().ok().map(|view| *view)
    }

    /// What the policy logged so far; the session forgets it. A last line counts the lines that were dropped.
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

/// Handles that are not what they should be: the contract's types make it impossible.
fn unfit(error: &dyn std::error::Error) -> CallError {
    PolicyFault::Misfit { reason: error.to_string() }.into()
}
