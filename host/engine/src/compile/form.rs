//! What a file of WebAssembly is, by its beginning.

use wasmtime::{Engine, Module};

use super::CompileError;

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
