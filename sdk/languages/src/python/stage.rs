//! The sources that become part of a component.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gingham_untrusted::file::read_text;

use super::{PythonError, failed};
use crate::Export;
use crate::embedded::PYTHON;

/// Text by path, in one order everywhere.
pub(super) type Sources = BTreeMap<String, String>;

/// The module that says which optional interfaces the component exports.
const EXPORTS: &str = "gingham_exports.py";

/// Of one file, in bytes.
const LARGEST: u64 = 4 << 20;

/// The policy's own files, and those that come between them and the contract.
pub(super) fn sources(directory: &Path, exports: &[Export]) -> Result<Sources, PythonError> {
    let mut sources = Sources::new();
    collect(directory, "", &mut sources)?;
    sources.extend(PYTHON.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    let names: Vec<String> = exports.iter().map(|export| format!("{:?}", export.as_str())).collect();
    sources.insert(EXPORTS.to_owned(), format!("EXPORTS = [{}]\n", names.join(", ")));
    Ok(sources)
}

fn collect(directory: &Path, below: &str, sources: &mut Sources) -> Result<(), PythonError> {
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let entry = entry.map_err(failed(directory))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (path, at) = (entry.path(), format!("{below}{name}"));
        if name.starts_with('.') || name.starts_with("__pycache__") || name.starts_with("test") {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{at}/"), sources)?;
        } else if path.extension().is_some_and(|extension| extension == "py") {
            let text = read_text(&path, LARGEST).map_err(|error| failed(&path)(error.into()))?;
            sources.insert(at, text);
        }
    }
    Ok(())
}
