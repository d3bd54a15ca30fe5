use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{file}: no resource is listed; add files under `resources:`")]
    NoResources { file: PathBuf },
    #[error("{file}: no line {line:?}, which the chart has a value for; change src/chart.rs with it")]
    NoLine { file: String, line: String },
}

pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ManifestError {
    let path = path.to_owned();
    move |source| ManifestError::Io { operation, path, source }
}
