//! What people apply, made from one set of files: the kustomize base is the source, `gingham.yaml` and the Helm chart follow.

mod base;
mod chart;
mod error;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub use base::Base;
pub use error::ManifestError;
use error::io;

/// Generated files, by their paths below `deploy/kubernetes`.
pub type Files = BTreeMap<PathBuf, String>;

const HEADER: &str = "\
# Gingham for Kubernetes, in one file: kubectl apply -f gingham.yaml
# Generated from base/ by `cargo run -p gingham-manifests`. docs/kubernetes.md explains it.
";

/// # Errors
/// [`ManifestError`]: a file of the base is missing or is not as the generator expects.
pub fn generated(directory: &Path) -> Result<Files, ManifestError> {
    let base = Base::read(&directory.join("base"))?;
    let mut files = chart::files(&base)?;
    files.insert("gingham.yaml".into(), format!("{HEADER}{}", base.joined()));
    Ok(files)
}

/// Writes the files that differ. Returns how many did.
///
/// # Errors
/// [`ManifestError::Io`]
pub fn write(directory: &Path, files: &Files) -> Result<usize, ManifestError> {
    let mut written = 0;
    for (path, text) in files {
        let path = directory.join(path);
        if fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            continue;
        }
        let parent = path.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        fs::write(&path, text).map_err(io("write", &path))?;
        written += 1;
    }
    Ok(written)
}
