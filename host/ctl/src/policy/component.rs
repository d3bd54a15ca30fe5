//! A policy to run in memory: of a file, of a directory, or one that a configuration can name.

use std::path::{Path, PathBuf};

use gingham_engine::compile::{CompileError, Compiler};
use gingham_engine::library::{Digest, Library, LibraryError};
use gingham_engine::runtime::{LoadError, Policy, Runtime};

use super::installed_component::{self, InstalledComponentError};
use super::source::{Source, SourceError};

/// Why there is no policy to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComponentError {
    #[error(
        "no policy or file {component:?}; use a name that `ginghamctl policy list` shows, a .wasm file, or the \
         policy's directory"
    )]
    Unknown { component: String },
    #[error(transparent)]
    Installed(#[from] InstalledComponentError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("{component}: {source}")]
    Compile { component: String, source: CompileError },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// Loads a policy by its name, as a configuration would, or from a path. A path with a slash is never a name.
pub(super) fn load(component: &str, library: &Library) -> Result<Policy, ComponentError> {
    if !component.contains('/')
        && let Some(named) = by_name(component, library)?
    {
        return Ok(named);
    }
    let path = PathBuf::from(component);
    if !path.exists() {
        return Err(ComponentError::Unknown { component: component.to_owned() });
    }
    of_path(&path, library)
}

fn by_name(name: &str, library: &Library) -> Result<Option<Policy>, ComponentError> {
    if let Some(installed) = library.find(name)? {
        if library.is_compiled(&installed.digest) {
            return Ok(Some(library.load(&Runtime::new()?, name, &installed)?));
        }
        let bytes = installed_component::read(library, name, &installed.digest)?;
        return Ok(Some(compile(name, name, &bytes)?));
    }
    let Some(built_in) = gingham_builtin::find(name) else { return Ok(None) };
    Ok(Some(built_in.load(&Runtime::new()?)?))
}

fn of_path(path: &Path, library: &Library) -> Result<Policy, ComponentError> {
    let source = Source::read(path)?;
    let digest = Digest::of(&source.component);
    // Compiling takes seconds in some languages, and what is installed is compiled already.
    let installed = library.list()?.into_iter().find(|(_, installed)| installed.digest == digest);
    if let Some((_, installed)) = installed.filter(|_| library.is_compiled(&digest)) {
        return Ok(library.load(&Runtime::new()?, &source.name, &installed)?);
    }
    compile(&path.display().to_string(), &source.name, &source.component)
}

fn compile(component: &str, name: &str, bytes: &[u8]) -> Result<Policy, ComponentError> {
    let refused = |source| ComponentError::Compile { component: component.to_owned(), source };
    Compiler::with_lines()?.load(name, bytes).map_err(refused)
}
