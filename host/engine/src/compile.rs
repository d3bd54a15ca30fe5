//! The compiler: from a component to the artefact the plugin loads.

use wasmtime::{Engine, Module};

use crate::attachment::Context;
use crate::component_size;
pub use crate::component_size::SizeError;
use crate::runtime::{CallError, ContractError, Limits, LoadError, Policy, Runtime, Session, Surface, config};

/// Bytes of memory that a policy may start with while it is inspected. A network's configuration decides what it gets.
const MOST_MEMORY: usize = 256 << 20;

/// A component that cannot be compiled or is no policy.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Not WebAssembly at all.
    #[error(
        "this is not a WebAssembly file; a policy is a component, or the core module that wit-bindgen's macro \
     makes"
    )]
    NotWasm,
    /// A core module that is not whole.
    #[error("this WebAssembly module is damaged: {reason}")]
    Damaged { reason: String },
    #[error("this component cannot be compiled: {reason}")]
    Refused { reason: String },
    /// A component that would take too much memory or time, here or on a node.
    #[error("this component is too large for a policy: {0}")]
    Size(#[from] SizeError),
    /// A component that is no policy for this host.
    #[error("this version cannot run this policy: {0}")]
    Contract(#[from] ContractError),
    /// A component whose functions have other types than the contract's, or that does not start.
    #[error("this version cannot run this policy: {0}")]
    Run(#[from] CallError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A compiled policy with what is known of it.
pub struct Compiled {
    pub artefact: Vec<u8>,
    pub surface: Surface,
}

/// The compiler. It uses the runtime's configuration, so its artefacts load there.
pub struct Compiler {
    engine: Engine,
}

impl Compiler {
    /// Starts the compiler.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system refuses what wasmtime needs.
    pub fn new() -> Result<Self, LoadError> {
        let engine = config::base().and_then(|mut config| {
            // Addresses of instructions are for backtraces, which are never shown; without them artefacts are much smaller.
            config.cranelift_nan_canonicalization(true).generate_address_map(false);
            Engine::new(&config)
        });
        match engine {
            Ok(engine) => Ok(Self { engine }),
            Err(error) => Err(LoadError::Runtime { reason: format!("{error:#}") }),
        }
    }

    /// Compiles a component and checks it against the contract.
    ///
    /// # Errors
    /// [`CompileError`]
    pub fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        let refused = |error: wasmtime::Error| CompileError::Refused { reason: format!("{error:#}") };
        component_size::check(component)?;
        let artefact = self.engine.precompile_component(component).map_err(refused)?;
        let policy = self.load_compiled("under inspection", &artefact)?;
        let limits = Limits { memory: MOST_MEMORY, ..Limits::default() };
        let mut session = Session::new(&policy, limits, &Context::default())?;
        session.check_types(&policy)?;
        Ok(Compiled { artefact, surface: policy.surface() })
    }

    /// Compiles a component and loads it right away, for tests of policies.
    ///
    /// # Errors
    /// [`CompileError`]
    pub fn load(&self, name: &str, component: &[u8]) -> Result<Policy, CompileError> {
        let compiled = self.compile(component)?;
        self.load_compiled(name, &compiled.artefact)
    }

    fn load_compiled(&self, name: &str, artefact: &[u8]) -> Result<Policy, CompileError> {
        // SAFETY: private, and called with nothing but what this compiler made.
        let loaded = unsafe { Runtime::with_engine(self.engine.clone()).load_bytes(name, artefact) };
        loaded.map_err(|error| match error {
            LoadError::Contract { source, .. } => source.into(),
            other => other.into(),
        })
    }
}

/// What a file of WebAssembly is, by its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Component,
    /// A core module, which may carry a component's parts.
    Module,
}

impl Form {
    /// Distinguishes components and modules; a module is validated, because the wrapper expects it to be valid.
    ///
    /// # Errors
    /// [`CompileError::NotWasm`], [`CompileError::Damaged`]
    pub fn of(bytes: &[u8]) -> Result<Self, CompileError> {
        const MAGIC: &[u8] = b"\0asm";
        const COMPONENT_LAYER: &[u8] = &[0x0d, 0x00, 0x01, 0x00];
        const MODULE_LAYER: &[u8] = &[0x01, 0x00, 0x00, 0x00];
        match (bytes.get(..4), bytes.get(4..8)) {
            (Some(MAGIC), Some(COMPONENT_LAYER)) => Ok(Self::Component),
            (Some(MAGIC), Some(MODULE_LAYER)) => match Module::validate(&Engine::default(), bytes) {
                Ok(()) => Ok(Self::Module),
                Err(error) => Err(CompileError::Damaged { reason: format!("{error:#}") }),
            },
            _ => Err(CompileError::NotWasm),
        }
    }
}
