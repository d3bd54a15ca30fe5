//! The prebuilt module with the JavaScript engine, and instances of it in which sources are loaded.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, OptLevel, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wizer::{ModuleContext, Wizer};

use super::snapshot;

/// See `javascript/README.md`.
const PREBUILT: &[u8] = include_bytes!("../../javascript/prebuilt/gingham_javascript.wasm");

/// Five times what a request has.
const FUEL: u64 = 500_000_000;

/// As much as a policy has on a node, unless the configuration allows more.
const MEMORY: usize = 64 << 20;

/// What the module reads: see `javascript/src/load.rs`.
#[derive(Serialize)]
pub(super) struct Sources<'a> {
    pub(super) main: &'a str,
    pub(super) modules: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// The names of the policy's functions.
    Loaded(Vec<String>),
    /// The name of a module that is not among the sources.
    Missing(String),
    Failed(String),
}

/// A fault of this program, not of the policy.
#[derive(Debug, thiserror::Error)]
#[error("the JavaScript engine does not work here: {reason}; please report this")]
pub struct EngineError {
    reason: String,
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self { reason: format!("{error:#}") }
    }
}

impl EngineError {
    #[expect(clippy::needless_pass_by_value, reason = "as `map_err` passes it")]
    pub(super) fn of(reason: impl ToString) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// The module, compiled for this machine.
pub(super) struct JavaScriptEngine {
    wizer: Wizer,
    context: ModuleContext<'static>,
    module: Module,
    linker: Linker<StoreLimits>,
}

/// An instance in which sources were loaded.
pub(super) struct Evaluated {
    pub(super) store: Store<StoreLimits>,
    pub(super) instance: Instance,
    pub(super) outcome: Outcome,
}

impl JavaScriptEngine {
    /// Compiled once in a process.
    pub(super) fn shared() -> Result<&'static Self, EngineError> {
        static ENGINE: OnceLock<JavaScriptEngine> = OnceLock::new();
        if let Some(engine) = ENGINE.get() {
            return Ok(engine);
        }
        let engine = Self::start()?;
        Ok(ENGINE.get_or_init(|| engine))
    }

    fn start() -> Result<Self, EngineError> {
        let mut config = Config::new();
        // It runs for milliseconds: time to compile is all that counts.
        config.cranelift_opt_level(OptLevel::None).consume_fuel(true);
        let engine = Engine::new(&config)?;
        let wizer = Wizer::new();
        let (context, instrumented) = wizer.instrument(PREBUILT)?;
        let module = Module::new(&engine, instrumented)?;
        let mut linker = Linker::new(&engine);
        // The policy calls nothing of the host while it is loaded: the module sees to that.
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Self { wizer, context, module, linker })
    }

    /// Evaluates the sources in a fresh instance. None if that takes too long or too much memory.
    pub(super) fn evaluate(&self, sources: &Sources<'_>) -> Result<Option<Evaluated>, EngineError> {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let mut store = Store::new(self.module.engine(), limits);
        store.limiter(|limits| limits);
        store.set_fuel(FUEL)?;
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        let text = serde_json::to_vec(sources).map_err(EngineError::of)?;
        let memory = memory(&mut store, instance)?;
        let length = u32::try_from(text.len()).map_err(EngineError::of)?;
        let at = instance.get_typed_func::<u32, u32>(&mut store, "gingham_text")?.call(&mut store, length)?;
        memory.write(&mut store, at as usize, &text).map_err(EngineError::of)?;
        let load = instance.get_typed_func::<(), u32>(&mut store, "gingham_load")?;
        let Ok(length) = load.call(&mut store, ()) else { return Ok(None) };
        let at = instance.get_typed_func::<(), u32>(&mut store, "gingham_result")?.call(&mut store, ())?;
        let text = memory.data(&store).get(at as usize..).and_then(|text| text.get(..length as usize));
        let outcome = serde_json::from_slice(text.unwrap_or_default()).map_err(EngineError::of)?;
        instance.get_typed_func::<(), ()>(&mut store, "gingham_forget")?.call(&mut store, ())?;
        Ok(Some(Evaluated { store, instance, outcome }))
    }

    /// The module with the memory of an instance.
    pub(super) fn snapshot(&self, evaluated: Evaluated) -> Result<Vec<u8>, EngineError> {
        let Evaluated { mut store, instance, .. } = evaluated;
        Ok(snapshot::of(&self.wizer, &self.context, &mut store, instance)?)
    }
}

fn memory(store: &mut Store<StoreLimits>, instance: Instance) -> Result<Memory, EngineError> {
    instance.get_memory(store, "memory").ok_or_else(|| EngineError::of("it has no memory"))
}
