//! Why the library cannot be used as asked.

use std::path::PathBuf;

use super::Digest;
use crate::file_lock::Busy;
use crate::runtime::LoadError;

/// A library that cannot be used as asked.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    #[error("cannot {operation} {path} in the policy library: {source}")]
    Io { operation: &'static str, path: String, source: std::io::Error },
    /// A name that cannot be a policy's.
    #[error(
        "invalid policy name {name:?}: use 1 to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit"
    )]
    BadName { name: String },
    /// This process would run code that others than root can change.
    #[error(
        "{0} can be changed by other users than root: run `chown root {0}` and `chmod go-w {0}`, then install the policies \
         of this library again", path.display()
    )]
    Untrusted { path: PathBuf },
    /// A name file that is no JSON of ours.
    #[error(
        "{path} in the policy library is damaged ({reason}): install the policy again with `ginghamctl policy add`"
    )]
    Damaged { path: String, reason: String },
    /// The compiled form for this very version is missing.
    #[error("policy {name} is installed but not compiled for this version ({key}): run `ginghamctl policy recompile`")]
    NotCompiled { name: String, key: String },
    /// The compiled form is not what the compiler made.
    #[error(
        "the compiled form of policy {name} is damaged or was replaced ({path} in the policy library is not what was \
         compiled from {digest}); run `ginghamctl policy recompile`"
    )]
    NotWhatWasCompiled { name: String, path: String, digest: Digest },
    /// Another process compiles, and does not come to an end.
    #[error("policies are being compiled for this library: {0}")]
    Busy(#[from] Busy),
    #[error(transparent)]
    Load(#[from] LoadError),
}

pub(super) fn io(operation: &'static str, path: &str, source: std::io::Error) -> LibraryError {
    LibraryError::Io { operation, path: path.to_owned(), source }
}
