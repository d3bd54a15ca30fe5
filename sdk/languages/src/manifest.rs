//! `gingham-policy.toml`: what makes a directory a policy's.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;

use crate::{Export, Language};

/// The file's name.
pub const MANIFEST: &str = "gingham-policy.toml";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The policy's name.
    pub name: String,
    pub language: Language,
    /// What the policy exports besides `allocator`; a policy in Rust says it in its source, by `policy!`.
    #[serde(default)]
    pub exports: Vec<Export>,
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a policy's manifest: {source}", path.display())]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
}

impl Manifest {
    /// Reads the manifest of a directory. None if it has none.
    pub fn read(directory: &Path) -> Result<Option<Self>, ManifestError> {
        let path = directory.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ManifestError::Read { path, source }),
        };
        toml::from_str(&text).map(Some).map_err(|source| ManifestError::Parse { path, source: Box::new(source) })
    }
}
