//! The kustomize base: the files that `kustomization.yaml` lists, in its order.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{ManifestError, io};

#[derive(Debug)]
pub struct Base {
    /// Name below the base, and content.
    pub resources: Vec<(String, String)>,
}

const KUSTOMIZATION: &str = "kustomization.yaml";

impl Base {
    /// # Errors
    /// [`ManifestError`]
    pub fn read(directory: &Path) -> Result<Self, ManifestError> {
        let file = directory.join(KUSTOMIZATION);
        let names = resources(&read(&file)?);
        if names.is_empty() {
            return Err(ManifestError::NoResources { file });
        }
        let read = |name: String| Ok((name.clone(), read(&directory.join(&name))?));
        Ok(Self { resources: names.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// All documents. `kubectl apply` goes through them in this order.
    pub fn joined(&self) -> String {
        let documents = self.resources.iter().map(|(_, text)| format!("---\n{}\n", text.trim_end()));
        documents.collect()
    }
}

fn read(path: &PathBuf) -> Result<String, ManifestError> {
    fs::read_to_string(path).map_err(io("read", path))
}

/// The list of `resources:`.
fn resources(kustomization: &str) -> Vec<String> {
    let lines = kustomization.lines().skip_while(|line| *line != "resources:").skip(1);
    lines.map_while(|line| line.strip_prefix("  - ")).map(str::to_owned).collect()
}
