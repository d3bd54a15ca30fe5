//! The policies that every Gingham binary carries: built as components and compiled when the binary is built.

use std::sync::{Mutex, PoisonError};

use gingham_engine::runtime::{LoadError, Policy, Runtime};

/// A policy inside the binary.
pub struct BuiltIn {
    /// The name that selects it.
    pub name: &'static str,
    /// "sha256:HEX" of the component.
    pub digest: &'static str,
    /// Whether DEL calls it.
    pub has_release: bool,
    artefact: &'static [u8],
}

/// Machine code in pages of its own, so that it can run where it lies.
#[repr(C, align(4096))]
struct Pages<const N: usize>([u8; N]);

/// All of them.
pub static BUILT_IN: &[BuiltIn] = include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// The components, by name: apart from the rest, so that the plugin does not carry what it never reads.
static COMPONENTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/components.rs"));

/// Those that were loaded. Their code runs where it lies in the binary, and wasmtime panics if the same code is registered
/// twice in a process.
static LOADED: Mutex<Vec<Policy>> = Mutex::new(Vec::new());

/// The built-in policy of this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|policy| policy.name == name)
}

impl BuiltIn {
    /// The component, for tools that inspect it.
    pub fn component(&self) -> &'static [u8] {
        COMPONENTS.iter().find(|(name, _)| *name == self.name).map_or(&[], |(_, component)| component)
    }

    /// Loads it, once in a process: later calls get the same, and their runtime is not used.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system does not let machine code be mapped.
    pub fn load(&self, runtime: &Runtime) -> Result<Policy, LoadError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = loaded.iter().find(|policy| policy.name() == self.name) {
            return Ok(policy.clone());
        }
        // SAFETY: the build script of this crate compiled these bytes with the engine's compiler, and they have pages of
        // their own.
        let policy = unsafe { runtime.load_static(self.name, self.artefact)? };
        loaded.push(policy.clone());
        Ok(policy)
    }
}
