//! What somebody hands over as a policy: a component, a core module, or a directory to build.

use std::io;
use std::path::{Path, PathBuf};

use gingham_engine::compile::{CompileError, Form, catch};
use gingham_languages::BuildError;
use gingham_untrusted::file::{self, FileError};
use gingham_untrusted::text;

use super::messages;
use super::whole_file;
use crate::output::print_error;

/// The largest file that is read, in bytes: five times a policy with a JavaScript engine inside.
pub(super) const LARGEST: u64 = 64 << 20;

/// A component and the name it would have.
pub(super) struct Source {
    pub(super) component: Vec<u8>,
    /// The file's or package's name, with `-` for `_`.
    pub(super) name: String,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read {}: {source}", shown(path))]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is larger than {} MiB; is it a policy?", shown(path), LARGEST >> 20)]
    TooLarge { path: PathBuf },
    #[error("{}: {source}", shown(path))]
    NoComponent { path: PathBuf, source: CompileError },
    #[error(
        "{}: a plain WebAssembly module, not a component ({reason}); build the policy with gingham-sdk, \
         or turn the module into a component first",
        shown(path)
    )]
    PlainModule { path: PathBuf, reason: String },
    #[error("{} is an earlier build, and cannot be replaced: {source}; remove it", shown(path))]
    Outdated { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Build(#[from] BuildError),
}

/// What a compiler said is printed in its lines, so that a path must not break one.
fn shown(path: &Path) -> String {
    text::line(&path.display().to_string()).into_owned()
}

impl Source {
    /// Reads a file, or builds a directory.
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        if path.is_dir() {
            let built = gingham_languages::build(path, &mut messages::show())?;
            keep_up_to_date(&path.join(format!("{}.wasm", built.name)), &built.component)?;
            return Ok(Self { component: built.component, name: policy_name(&built.name) });
        }
        Self::of_bytes(read_bounded(path)?, path)
    }

    /// What was read, under a path for its name and for messages.
    pub(super) fn of_bytes(bytes: Vec<u8>, path: &Path) -> Result<Self, SourceError> {
        let form = catch(|| Form::of(&bytes)).unwrap_or_else(|reason| Err(CompileError::Panicked { reason }));
        let form = form.map_err(|source| SourceError::NoComponent { path: path.to_owned(), source })?;
        let plain = |reason: String| SourceError::PlainModule { path: path.to_owned(), reason };
        let component = match form {
            Form::Component => bytes,
            Form::Module => {
                warn_of_paths(path, &bytes);
                let wrapped = catch(|| gingham_build::wrap(&bytes)).map_err(plain)?;
                wrapped.map_err(|error| plain(error.reason))?
            }
        };
        Ok(Self { component, name: policy_name(&path.file_stem().unwrap_or_default().to_string_lossy()) })
    }
}

/// What `policy build` wrote into the directory is what was built last, whichever command built it.
fn keep_up_to_date(path: &Path, component: &[u8]) -> Result<(), SourceError> {
    match std::fs::read(path) {
        Ok(there) if there != component => whole_file::write(path, component, true)
            .map_err(|source| SourceError::Outdated { path: path.to_owned(), source }),
        _ => Ok(()),
    }
}

/// Plain cargo leaves the paths of its downloads in a module; `gingham_build` puts `/cargo` in their place.
fn warn_of_paths(path: &Path, module: &[u8]) {
    const DOWNLOADS: &[u8] = b"/registry/src/";
    let mut places = module.windows(DOWNLOADS.len()).enumerate().filter(|(_, bytes)| *bytes == DOWNLOADS);
    if places.any(|(at, _)| !module[..at].ends_with(b"/cargo")) {
        print_error(format_args!(
            "{} holds paths of the machine where it was built, so its digest differs on others; \
             use `ginghamctl policy build` in the policy's directory",
            path.display()
        ));
    }
}

fn policy_name(written: &str) -> String {
    written.replace('_', "-")
}

pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, SourceError> {
    file::read_argument(path, LARGEST).map_err(|error| match error {
        FileError::TooLarge { .. } => SourceError::TooLarge { path: path.to_owned() },
        error => SourceError::Read { path: path.to_owned(), source: error.into() },
    })
}
