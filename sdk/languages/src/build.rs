//! From a policy's directory to its component.

use std::path::{Path, PathBuf};

use gingham_untrusted::file::{LARGEST_CONFIGURATION, read_text};

use crate::{Language, MANIFEST, Manifest, ManifestError, Messages, ToolchainError};

/// A policy, built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The policy's name.
    pub name: String,
    /// The component.
    pub component: Vec<u8>,
}

/// What of its source a component has, for tools that show where it failed. Its code is the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DebugInformation {
    /// The names of its functions.
    #[default]
    Names,
    /// Files and lines as well. JavaScript and Python always have theirs.
    Lines,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "{} has no {MANIFEST}: it is not a policy's directory; `ginghamctl policy new` makes one",
        path.display()
    )]
    NoPolicy { path: PathBuf },
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("the policy in {} cannot be built: {source}", path.display())]
    Toolchain { path: PathBuf, source: ToolchainError },
}

/// Builds the policy in a directory.
///
/// # Errors
/// [`BuildError`]
pub fn build(directory: &Path, messages: Messages) -> Result<Built, BuildError> {
    build_with(directory, DebugInformation::Names, messages)
}

/// Builds the policy in a directory with more of its source.
///
/// # Errors
/// [`BuildError`]
pub fn build_with(directory: &Path, debug: DebugInformation, messages: Messages) -> Result<Built, BuildError> {
    let manifest = Manifest::read(directory)?.or_else(|| crate_of(directory));
    let manifest = manifest.ok_or_else(|| BuildError::NoPolicy { path: directory.to_owned() })?;
    let component = manifest.language.toolchain().build(directory, &manifest, debug, messages);
    let component = component.map_err(|source| BuildError::Toolchain { path: directory.to_owned(), source })?;
    Ok(Built { name: manifest.name, component })
}

/// A policy's crate that has no manifest but cargo's.
fn crate_of(directory: &Path) -> Option<Manifest> {
    let text = read_text(&directory.join("Cargo.toml"), LARGEST_CONFIGURATION).ok()?;
    let name = toml::from_str::<toml::Table>(&text).ok()?.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Manifest { name, language: Language::Rust, exports: Vec::new() })
}
