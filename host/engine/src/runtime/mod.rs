//! The policy runtime: loads compiled policies and runs them within their limits. It holds no compiler.

mod backtrace;
mod cluster_exports;
mod code;
pub mod config;
mod contract;
mod fact_imports;
mod fault;
mod fuel;
mod imports;
mod limits;
mod observer;
mod process;
mod session;
mod state;
mod v0_2;
pub mod view;
mod weight;

use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

pub use backtrace::Backtrace;
pub use contract::{ContractError, Language, PACKAGE, Surface};
pub use fact_imports::FactImports;
pub use fault::{CallError, FailedCall, PolicyFault};
use imports::Imports;
pub use limits::{INSTANCES, Limits, MEMORIES, TABLE_ELEMENTS, TABLES, Usage};
pub use observer::{ExportCall, HostCall, Observer};
pub use process::ProcessError;
pub use session::Session;
pub use state::{LogLevel, LogLine};

/// The runtime: one per process.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
}

/// A policy, loaded and checked against the contract, ready to run.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are what its surface says, and do not depend on each other")]
pub struct Policy {
    name: String,
    digest: Option<String>,
    engine: Engine,
    component: Component,
    has_release: bool,
    has_adoption: bool,
    is_cluster: bool,
    imports: Arc<Imports>,
    fact_imports: FactImports,
    observer: Option<Arc<dyn Observer>>,
    shows_lines: bool,
}

/// A compiled policy that does not load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The processor or the system does not let wasmtime work.
    #[error("the policy runtime does not start here: {reason}")]
    Runtime { reason: String },
    /// The system denies this process what every policy needs.
    #[error("policy {policy} cannot be loaded: {source}")]
    Process { policy: String, source: ProcessError },
    /// Not a compiled policy of this very version.
    #[error(
        "the compiled form of policy {policy} cannot be used ({reason}); \
         `ginghamctl policy recompile` compiles it again from the installed component"
    )]
    Artefact { policy: String, reason: String },
    /// A component that is no policy for this host.
    #[error("policy {policy} cannot be used: {source}")]
    Contract { policy: String, source: ContractError },
}

impl Runtime {
    /// Starts the runtime.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system refuses what wasmtime needs.
    pub fn new() -> Result<Self, LoadError> {
        config::base(config::TARGET)
            .and_then(|config| Engine::new(&config))
            .map(|engine| Self { engine })
            .map_err(|error| LoadError::Runtime { reason: format!("{error:#}") })
    }

    #[cfg(feature = "compiler")]
    pub(crate) fn with_engine(engine: Engine) -> Self {
        Self { engine }
    }

    /// Loads a policy compiled by this very version, from a file that must not change while it is in use.
    ///
    /// # Safety
    /// The file is machine code. It must come from this project's compiler and be writable by root alone.
    ///
    /// # Errors
    /// [`LoadError`]
    pub unsafe fn load_file(&self, name: &str, path: &Path) -> Result<Policy, LoadError> {
        // SAFETY: the caller vouches for the file.
        let component = unsafe { Component::deserialize_file(&self.engine, path) };
        self.admit(name, component)
    }

    /// Loads a policy that is part of the program, and runs it where it lies if it begins and ends with a page.
    ///
    /// # Safety
    /// The bytes are machine code. They must come from this project's compiler, and share no page with anything else.
    ///
    /// # Errors
    /// [`LoadError`]
    pub unsafe fn load_static(&self, name: &str, bytes: &'static [u8]) -> Result<Policy, LoadError> {
        if !bytes.as_ptr().addr().is_multiple_of(rustix::param::page_size()) {
            // SAFETY: as the caller vouches.
            return unsafe { self.load_bytes(name, bytes) };
        }
        // SAFETY: the caller vouches for the bytes, and they outlive everything.
        let component = unsafe { Component::deserialize_raw(&self.engine, NonNull::from(bytes)) };
        self.admit(name, component)
    }

    /// Loads a policy from memory, by copying it.
    ///
    /// # Safety
    /// The bytes are machine code. They must come from this project's compiler.
    ///
    /// # Errors
    /// [`LoadError`]
    pub unsafe fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Policy, LoadError> {
        // SAFETY: the caller vouches for the bytes.
        let component = unsafe { Component::deserialize(&self.engine, bytes) };
        self.admit(name, component)
    }

    fn admit(&self, name: &str, component: wasmtime::Result<Component>) -> Result<Policy, LoadError> {
        let component = component.map_err(|error| load_error(name, &error))?;
        let kind = component.component_type();
        let imports = Imports::of(&self.engine, &kind);
        let surface = Surface::with_imports(imports.names(), &self.engine, &kind);
        surface.check().map_err(|source| LoadError::Contract { policy: name.to_owned(), source })?;
        Ok(Policy {
            name: name.to_owned(),
            digest: None,
            engine: self.engine.clone(),
            fact_imports: FactImports::of(&imports),
            component,
            has_release: surface.has_release(),
            has_adoption: surface.has_adoption(),
            is_cluster: surface.is_cluster(),
            imports: Arc::new(imports),
            observer: None,
            shows_lines: false,
        })
    }
}

fn load_error(name: &str, error: &wasmtime::Error) -> LoadError {
    let policy = name.to_owned();
    match ProcessError::of(error) {
        Some(source) => LoadError::Process { policy, source },
        None => LoadError::Artefact { policy, reason: error.root_cause().to_string() },
    }
}

impl Policy {
    /// The name under which it was selected; all messages carry it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Names the component that it was compiled from: `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn with_digest(self, digest: &str) -> Self {
        Self { digest: Some(digest.to_owned()), ..self }
    }

    /// NAME@sha256:HEX, as a configuration pins it; the name alone where the component is not known.
    pub fn title(&self) -> String {
        let digest = self.digest.as_ref().map(|digest| format!("@{digest}"));
        format!("{}{}", self.name, digest.unwrap_or_default())
    }

    /// Whether it wants to know when an attachment ends.
    pub fn has_release(&self) -> bool {
        self.has_release
    }

    /// Whether it wants to know of adopted leases.
    pub fn has_adoption(&self) -> bool {
        self.has_adoption
    }

    /// Whether it divides a range among the members of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// Which facts it may read.
    pub fn fact_imports(&self) -> FactImports {
        self.fact_imports
    }

    /// For the compiler, which alone knows what it compiled for.
    #[cfg(feature = "compiler")]
    pub(crate) fn showing_lines(mut self, shows_lines: bool) -> Self {
        self.shows_lines = shows_lines;
        self
    }

    pub fn surface(&self) -> Surface {
        Surface::with_imports(self.imports.names(), &self.engine, &self.component.component_type())
    }
}
