//! Compiling for the library: what can be refused is refused before, and nothing is compiled twice.

use std::time::{Duration, Instant};

use gingham_engine::compile::{CompileError, Compiler, check};
use gingham_engine::library::{CompilationLock, Digest, Library, LibraryError};
use gingham_engine::runtime::{LoadError, Runtime, Surface};

use super::progress;
use crate::output::print_error;
use crate::table::size;

/// Why there is no compiled form.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompilationError {
    #[error(transparent)]
    Refused(#[from] CompileError),
    #[error(transparent)]
    Compiler(#[from] LoadError),
    #[error(transparent)]
    Library(#[from] LibraryError),
}

/// A component whose compiled form is good for this version.
pub(super) struct Ready {
    pub(super) surface: Surface,
    /// None if it was there already.
    pub(super) compiled: Option<(Vec<u8>, Duration)>,
    /// Whether its file was copied, so that each ADD read all of it. It is recorded now.
    pub(super) was_copied: bool,
    /// Until the compiled form is in the library.
    pub(super) _lock: CompilationLock,
}

/// Finds the compiled form of a component in the library, or makes it.
pub(super) fn compile(
    library: &mut Library,
    name: &str,
    digest: &Digest,
    component: &[u8],
) -> Result<Ready, CompilationError> {
    let description = check(component)?;
    let lock = library.lock_compilation(|busy| {
        let pids: Vec<String> = busy.holders.iter().map(|holder| holder.pid.to_string()).collect();
        let of = if pids.is_empty() { String::new() } else { format!(" (pid {})", pids.join(", ")) };
        print_error(format!("waiting for another compilation{of}"));
    })?;
    if library.is_compiled(digest)
        && Runtime::new().is_ok_and(|runtime| library.load_compiled(&runtime, name, digest).is_ok())
    {
        let was_copied = library.record_copied(digest)?;
        return Ok(Ready { surface: description.surface, compiled: None, was_copied, _lock: lock });
    }
    let start = Instant::now();
    let compiler = Compiler::new()?;
    let what = format!("compiling {name} ({})", size(component.len() as u64));
    let compiled = progress::showing(&what, || compiler.compile(component))?;
    let compiled_in = Some((compiled.artefact, start.elapsed()));
    Ok(Ready { surface: compiled.surface, compiled: compiled_in, was_copied: false, _lock: lock })
}
