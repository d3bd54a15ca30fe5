//! The policies that every Gingham binary carries: built as components and compiled when the binary is built.

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

/// The built-in policy of this name.
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|policy| policy.name == name)
}

impl BuiltIn {
    /// The component, for tools that inspect it.
    pub fn component(&self) -> &'static [u8] {
        COMPONENTS.iter().find(|(name, _)| *name == self.name).map_or(&[], |(_, component)| component)
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] where the system does not let machine code be mapped.
    pub fn load(&self, runtime: &Runtime) -> Result<Policy, LoadError> {
        // SAFETY: the build script of this crate compiled these bytes with the engine's compiler, and they have pages of
        // their own.
        unsafe { runtime.load_static(self.name, self.artefact) }
    }
}
