//! One request's run of a policy: a fresh instance, its limits, and the calls of the contract.

use std::any::Any;
use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Linker, Lower, Resource, TypedFunc};

use super::Policy;
use super::backtrace::Backtrace;
use super::contract::{ADOPT, ALLOCATE, CHECK_CONFIG, Function, RELEASE};
use super::fault::{CallError, Circumstances, PolicyFault, START, diagnose};
use super::limits::{HANDLES, HOST_CALL_BYTES, Limits, Usage};
use super::observer::{Observed, Observer};
use super::state::{HostState, LogLine};
use super::v0_2;
use super::view::PolicyView;
use crate::attachment::{Adopted, Answer, Context, Ended, Problem, Refusal, Request};
use crate::pool::Pool;
use gingham_ownership::grid::BlockMap;

type DeclaredPools = Result<Vec<Resource<Pool>>, Vec<Resource<Problem>>>;
type AllocateResult = Result<Resource<Answer>, Resource<Refusal>>;

/// A fresh instance of a policy.
pub struct Session {
    store: Store<HostState>,
    instance: Instance,
    limits: Limits,
    shows_lines: bool,
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
        let shows_lines = policy.shows_lines;
        let at_start = Circumstances { export: START, limits, lines: &[], shows_lines };
        let misfit = |error| at_start.failed(misfit(&error), Backtrace::default());
        let mut store = Store::new(&policy.engine, HostState::new(limits, context.node.clone()));
        #[cfg(feature = "compiler")]
        store.data_mut().observer.clone_from(&policy.observer);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(HOST_CALL_BYTES);
        store.set_max_component_handles(HANDLES);
        let mut linker = Linker::new(&policy.engine);
        let traces = policy.observer.as_ref().is_some_and(|observer| observer.wants_host_calls());
        v0_2::link(&mut linker, &policy.imports, traces).map_err(misfit)?;
        let pre = linker.instantiate_pre(&policy.component).map_err(misfit)?;
        store.set_fuel(limits.fuel).map_err(misfit)?;
        let instance = pre
            .instantiate(&mut store)
            .map_err(|error| diagnose(error, &Circumstances { lines: &store.data().lines, ..at_start }))?;
        let context = store.data_mut().table.push(context.clone()).map_err(|error| misfit(error.into()))?.rep();
        let observer = policy.observer.clone();
        Ok(Self { store, instance, limits, shows_lines, fuel_used: 0, observer, context })
    }

    /// Calls one export with the whole of the fuel.
    pub(super) fn call<P, R>(&mut self, export: Function, params: P) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let function = self.typed::<P, R>(export)?;
        self.store.set_fuel(self.limits.fuel).map_err(|error| self.fault(export, misfit(&error)))?;
        let observed = self.observer.clone().map(|observer| Observed::begin(observer, export.name, self.usage()));
        let result = function.call(&mut self.store, params);
        self.fuel_used += self.limits.fuel - self.store.get_fuel().unwrap_or(0);
        if let Some(observed) = observed {
            observed.end(self.usage(), result.is_err());
        }
        result.map_err(|error| diagnose(error, &self.circumstances(export)))
    }

    /// What the host finds wrong with an answer, with the export that gave it.
    pub(super) fn fault(&self, export: Function, fault: impl Into<PolicyFault>) -> CallError {
        self.circumstances(export).failed(fault.into(), Backtrace::default())
    }

    fn circumstances(&self, export: Function) -> Circumstances<'_> {
        let lines = &self.store.data().lines;
        Circumstances { export: export.name, limits: self.limits, lines, shows_lines: self.shows_lines }
    }

    pub(super) fn typed<P, R>(&mut self, export: Function) -> Result<TypedFunc<P, R>, CallError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift + 'static,
    {
        let Function { interface, name } = export;
        let instance = self.instance.get_export_index(&mut self.store, None, &export.instance());
        let function = instance.and_then(|at| self.instance.get_export_index(&mut self.store, Some(&at), name));
        let Some(function) = function else {
            let reason = format!("{interface} has no function {name}");
            return Err(self.fault(export, PolicyFault::Misfit { reason }));
        };
        let typed = self.instance.get_typed_func::<P, R>(&mut self.store, &function);
        typed.map_err(|error| self.fault(export, misfit(&error)))
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
    fn lend<T: Send + 'static>(&mut self, export: Function, value: T) -> Result<Resource<T>, CallError> {
        match self.store.data_mut().table.push(value) {
            Ok(lent) => Ok(Resource::new_borrow(lent.rep())),
            Err(error) => Err(self.fault(export, misfit(&error.into()))),
        }
    }

    /// Takes what an export answered. The contract's types make it impossible that the handle is another's.
    pub(super) fn take<T: 'static>(&mut self, export: Function, built: Resource<T>) -> Result<T, CallError> {
        self.store.data_mut().table.delete(built).map_err(|error| self.fault(export, misfit(&error.into())))
    }

    pub(super) fn take_all<T: 'static>(
        &mut self,
        export: Function,
        built: Vec<Resource<T>>,
    ) -> Result<Vec<T>, CallError> {
        built.into_iter().map(|built| self.take(export, built)).collect()
    }

    /// `check-config`: the pools of this configuration, or everything that is wrong with it.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word.
    pub fn check_config(&mut self, config: &str) -> Result<Result<Vec<Pool>, Vec<Problem>>, CallError> {
        let context = self.context();
        let (declared,): (DeclaredPools,) = self.call(CHECK_CONFIG, (config, context))?;
        match declared {
            Err(problems) => Ok(Err(self.take_all(CHECK_CONFIG, problems)?)),
            Ok(pools) => Ok(Ok(self.take_all(CHECK_CONFIG, pools)?)),
        }
    }

    /// `allocate`, with the leases in sight.
    ///
    /// # Errors
    /// [`CallError`]; the inner result is the policy's word. It is not checked here.
    pub fn allocate(&mut self, config: &str, request: &Request) -> Result<Result<Answer, Refusal>, CallError> {
        let (context, request) = (self.context(), self.lend(ALLOCATE, request.clone())?);
        let (answer,): (AllocateResult,) = self.call(ALLOCATE, (config, context, request))?;
        match answer {
            Err(refusal) => Ok(Err(self.take(ALLOCATE, refusal)?)),
            Ok(answer) => Ok(Ok(self.take(ALLOCATE, answer)?)),
        }
    }

    /// `release`.
    pub fn release(&mut self, config: &str, ended: &Ended) -> Result<(), CallError> {
        let (context, ended) = (self.context(), self.lend(RELEASE, ended.clone())?);
        self.call::<_, ()>(RELEASE, (config, context, ended))
    }

    /// `adopt`.
    pub fn adopt(&mut self, config: &str, adopted: &Adopted) -> Result<(), CallError> {
        let (context, adopted) = (self.context(), self.lend(ADOPT, adopted.clone())?);
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
        Usage {
            fuel: self.fuel_used,
            host_calls: self.limits.host_calls - state.calls_left,
            memory: state.meter.used(),
        }
    }
}

fn misfit(error: &wasmtime::Error) -> PolicyFault {
    PolicyFault::Misfit { reason: format!("{error:#}") }
}
