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
    #[error(
        "{}: name {name:?}: use 1 to 64 letters, digits, \"-\", \"_\" and \".\", beginning with a letter or a digit",
        path.display()
    )]
    Name { path: PathBuf, name: String },
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
        match toml::from_str::<Self>(&text) {
            // It becomes the name of a file.
            Ok(manifest) if !is_name(&manifest.name) => Err(ManifestError::Name { path, name: manifest.name }),
            Ok(manifest) => Ok(Some(manifest)),
            Err(source) => Err(ManifestError::Parse { path, source: Box::new(source) }),
        }
    }
}

/// What the library of installed policies takes as a name.
fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let read = |name: &str| {
            let text = format!("name = {name:?}\nlanguage = \"rust\"\n");
            fs::write(directory.path().join(MANIFEST), text).unwrap();
            Manifest::read(directory.path())
        };
        assert_eq!(read("by-rack").unwrap().unwrap().name, "by-rack");
        for name in ["../x", "/x", "", "a/b", "-x"] {
            assert!(matches!(read(name), Err(ManifestError::Name { .. })), "{name}");
        }
    }
}
