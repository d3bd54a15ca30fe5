//! The compiler: from a component to the artefact the plugin loads.

mod form;
mod panics;

use wasmtime::{Engine, WasmBacktraceDetails};

use crate::attachment::Context;
use crate::component_size;
pub use crate::component_size::SizeError;
use crate::contract_types::{self, TypeError};
use crate::description::{Description, DescriptionError};
use crate::runtime::{CallError, ContractError, Limits, LoadError, Policy, Runtime, Session, Surface, config};
pub use form::Form;
pub use panics::catch;

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
    #[error("this WebAssembly file is damaged: {reason}; build it or copy it again")]
    Damaged { reason: String },
    #[error("this component cannot be compiled: {reason}")]
    Refused { reason: String },
    /// A component that would take too much memory or time, here or on a node.
    #[error("this component is too large for a policy: {0}")]
    Size(SizeError),
    /// A component that is no policy for this host.
    #[error("this version cannot run this policy: {0}")]
    Contract(#[from] ContractError),
    #[error("this version cannot run this policy: {0}")]
    Types(#[from] TypeError),
    /// A component that does not start.
    #[error("this policy does not start: {0}")]
    Run(#[from] CallError),
    /// A defect of the compiler that this component brings out.
    #[error(
        "this component cannot be compiled: the compiler failed on it ({reason}); please report it to Gingham with the \
         component, or build the component with another version of its tools"
    )]
    Panicked { reason: String },
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl From<SizeError> for CompileError {
    fn from(error: SizeError) -> Self {
        match error {
            SizeError::Damaged { reason } => Self::Damaged { reason },
            error => Self::Size(error),
        }
    }
}

/// A compiled policy with what is known of it.
pub struct Compiled {
    pub artefact: Vec<u8>,
    pub surface: Surface,
}

/// The compiler. It uses the runtime's configuration, so its artefacts load there.
pub struct Compiler {
    engine: Engine,
    shows_lines: bool,
}

impl Compiler {
    /// Starts the compiler of what nodes run. Its code shows the names of functions in a fault, and no lines: addresses of
    /// instructions would make artefacts larger by 14 %.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system refuses what wasmtime needs.
    pub fn new() -> Result<Self, LoadError> {
        Self::start(config::TARGET, false)
    }

    /// Starts a compiler for another processor, of a family that Cranelift was built with: what it compiles does not load
    /// here.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] if Cranelift was built without it.
    pub fn for_target(target: &str) -> Result<Self, LoadError> {
        Self::start(target, false)
    }

    /// Starts a compiler for tools: what it loads shows files and lines in a fault, if its component has debug
    /// information. The fuel of a call is the same; artefacts are larger and load nowhere else.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system refuses what wasmtime needs.
    pub fn with_lines() -> Result<Self, LoadError> {
        Self::start(config::TARGET, true)
    }

    fn start(target: &str, shows_lines: bool) -> Result<Self, LoadError> {
        let engine = config::base(target).and_then(|mut config| {
            config.cranelift_nan_canonicalization(true).generate_address_map(shows_lines);
            if shows_lines {
                config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
            }
            Engine::new(&config)
        });
        match engine {
            Ok(engine) => Ok(Self { engine, shows_lines }),
            Err(error) => Err(LoadError::Runtime { reason: format!("{error:#}") }),
        }
    }

    /// Compiles a component and checks it against the contract. What can be refused without compiling it is.
    ///
    /// # Errors
    /// [`CompileError`]
    pub fn compile(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        check(component)?;
        let artefact = self.machine_code(component)?;
        let policy = self.load_compiled("under inspection", &artefact)?;
        let limits = Limits { memory: MOST_MEMORY, ..Limits::default() };
        let mut session = Session::new(&policy, limits, &Context::default())?;
        session.check_types(&policy)?;
        Ok(Compiled { artefact, surface: policy.surface() })
    }

    /// Compiles a component that may not run here. It is checked like others, and not started.
    ///
    /// # Errors
    /// [`CompileError`]
    pub fn compile_without_a_start(&self, component: &[u8]) -> Result<Compiled, CompileError> {
        let surface = check(component)?.surface;
        Ok(Compiled { artefact: self.machine_code(component)?, surface })
    }

    /// Compiles a component, whatever it imports and exports.
    ///
    /// # Errors
    /// [`CompileError::Refused`], [`CompileError::Panicked`]
    pub fn machine_code(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        match catch(|| self.engine.precompile_component(component)) {
            Ok(Ok(artefact)) => Ok(artefact),
            Ok(Err(error)) => Err(CompileError::Refused { reason: format!("{error:#}") }),
            Err(reason) => Err(CompileError::Panicked { reason }),
        }
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
        match loaded {
            Ok(policy) => Ok(policy.showing_lines(self.shows_lines)),
            Err(LoadError::Contract { source, .. }) => Err(source.into()),
            Err(other) => Err(other.into()),
        }
    }
}

/// What can be known of a component before it is compiled: in a fraction of a second, however large it is.
pub struct Examined {
    /// None if the component cannot be read at all.
    pub description: Option<Description>,
    /// Everything that it is refused for. None of it does not mean that it compiles.
    pub refusals: Vec<CompileError>,
}

/// Examines a component without compiling it. A panic of a library on the way is a refusal.
pub fn examine(component: &[u8]) -> Examined {
    catch(|| examined(component))
        .unwrap_or_else(|reason| Examined { description: None, refusals: vec![CompileError::Panicked { reason }] })
}

fn examined(component: &[u8]) -> Examined {
    let mut refusals: Vec<CompileError> = component_size::check(component).err().map(Into::into).into_iter().collect();
    let description = match Description::of(component) {
        Ok(description) => description,
        Err(error) => {
            // What is damaged was counted up to the damage.
            refusals.push(error.into());
            refusals.truncate(1);
            return Examined { description: None, refusals };
        }
    };
    let faults = description.surface.faults(description.language());
    refusals.extend(faults.into_iter().map(CompileError::Contract));
    if refusals.is_empty() {
        refusals.extend(contract_types::check(component, &description.surface).err().map(CompileError::Types));
    }
    Examined { description: Some(description), refusals }
}

/// [`examine`], for who needs the first refusal only.
///
/// # Errors
/// [`CompileError`]
pub fn check(component: &[u8]) -> Result<Description, CompileError> {
    let Examined { description, refusals } = examine(component);
    match (refusals.into_iter().next(), description) {
        (Some(refusal), _) => Err(refusal),
        (None, Some(description)) => Ok(description),
        (None, None) => Err(CompileError::NotWasm),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two components that pass a string: the adapter between them has two memories, which are switched off.
    const COMPOSED: &str = include_str!("compile/composed.wat");

    #[test]
    fn a_panic_of_the_compiler_is_an_error() {
        let component = wat::parse_str(COMPOSED).unwrap();
        let compiler = Compiler::new().unwrap();
        assert!(matches!(compiler.compile(&component), Err(CompileError::Size(SizeError::Composed))));
        let Err(CompileError::Panicked { reason }) = compiler.machine_code(&component) else { panic!("it compiled") };
        assert!(reason.contains("multiple memories"), "{reason}");
    }
}
