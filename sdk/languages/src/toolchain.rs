//! What each language does. Its table of errors has those of the languages, which know what a toolchain is.

use std::io;
use std::path::{Path, PathBuf};

use gingham_build::BuildError;

use crate::javascript::JavaScriptError;
use crate::python::PythonError;
use crate::template::File;
use crate::{DebugInformation, Kind, Manifest, PolicyName, Program};

/// What a toolchain has for people while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// What it does now, in a line. The next one replaces it.
    Status(&'a str),
    /// What the compiler warns of, in its lines. The policy is built all the same.
    Warning(&'a str),
}

/// Gets the messages of a build as they come.
pub type Messages<'a> = &'a mut dyn FnMut(Message);

/// How policies of a language are built.
pub(crate) trait Toolchain: Sync {
    /// What a new directory has besides the language's templates: the part of Gingham that the policy uses, and files
    /// that are made.
    ///
    /// # Errors
    /// [`ToolchainError`]
    fn files(&self, name: &PolicyName, kind: Kind) -> Result<Vec<File>, ToolchainError>;

    /// The programs it runs.
    fn programs(&self) -> &'static [Program];

    /// Builds the policy in a directory. The same source gives the same bytes, on every machine and in every directory.
    ///
    /// # Errors
    /// [`ToolchainError`]
    fn build(
        &self,
        directory: &Path,
        manifest: &Manifest,
        debug: DebugInformation,
        messages: Messages,
    ) -> Result<Vec<u8>, ToolchainError>;
}

/// A policy that a toolchain could not build.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    #[error("{program}")]
    Missing { program: Program },
    #[error("cannot run {program}: {source}")]
    Start { program: &'static str, source: io::Error },
    #[error("{program} failed:\n{output}")]
    Failed { program: &'static str, output: String },
    #[error("{} has no file that ends in .{extension}", path.display())]
    NoSource { path: PathBuf, extension: &'static str },
    #[error("the contract cannot be written in this language: {reason}")]
    Bindings { reason: String },
    #[error("{advice}")]
    Wasi { advice: String },
    #[error("cannot access {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Rust(#[from] BuildError),
    #[error(transparent)]
    JavaScript(#[from] JavaScriptError),
    #[error(transparent)]
    Python(#[from] PythonError),
}
