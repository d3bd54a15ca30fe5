//! Python: componentize-py puts `CPython`, the policy and `python/*.py` into a component.

mod cache;
mod componentize;
mod stage;

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::linked::LinkError;
use crate::template::File;
use crate::toolchain::{Message, Messages, Toolchain, ToolchainError};
use crate::{DebugInformation, Kind, Manifest, PolicyName, Program};

pub(crate) struct Python;

/// Why a policy in Python is not built.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    #[error("cannot access {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "componentize-py {wanted} is missing: run `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in {}",
        directory.display()
    )]
    Missing { wanted: &'static str, directory: PathBuf },
    #[error("{} is componentize-py {found}, expected {wanted}: run `.venv/bin/pip install -r requirements.txt`", path.display())]
    Version { path: PathBuf, found: String, wanted: &'static str },
    #[error("{}", output)]
    Failed { output: String },
    #[error("cannot link what componentize-py made: {source}; please report it to Gingham with the policy")]
    Link { source: LinkError },
}

impl Toolchain for Python {
    fn files(&self, _: &PolicyName, _: Kind) -> Result<Vec<File>, ToolchainError> {
        let text = format!("componentize-py=={}\n", componentize::VERSION);
        Ok(vec![File { path: "requirements.txt".to_owned(), text }])
    }

    fn programs(&self) -> &'static [Program] {
        // componentize-py is one of the policy's directory.
        &[Program { name: "python3", install: "install python3 and python3-venv (Debian: apt install python3-venv)" }]
    }

    fn build(
        &self,
        directory: &Path,
        manifest: &Manifest,
        _: DebugInformation,
        messages: Messages,
    ) -> Result<Vec<u8>, ToolchainError> {
        let sources = stage::sources(directory, &manifest.exports)?;
        let kept = cache::path(directory, &sources, &manifest.exports);
        if let Ok(component) = fs::read(&kept) {
            return Ok(component);
        }
        messages(Message::Status("componentize-py snapshots the policy in an interpreter"));
        let component = componentize::run(directory, &directory.join(cache::DIRECTORY), &sources, &manifest.exports)?;
        cache::keep(&kept, &component)?;
        Ok(component)
    }
}

pub(crate) fn failed(path: &Path) -> impl FnOnce(io::Error) -> PythonError {
    let path = path.to_owned();
    |source| PythonError::File { path, source }
}
