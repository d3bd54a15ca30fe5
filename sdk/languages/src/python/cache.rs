//! What was built is kept: componentize-py makes other bytes of the same source each time, because it snapshots an
//! interpreter that has drawn random numbers and read the clock.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::componentize::VERSION;
use super::stage::Sources;
use super::{PythonError, failed};
use crate::{Export, contract};

const COMPONENT: &str = "wasm";
/// What becomes of the tool's component. Whoever changes that raises it.
const LINKED: (&str, &str) = ("linked", "2");
const UNFINISHED: &str = "new";

/// In the policy's directory.
pub(super) const DIRECTORY: &str = ".gingham";

/// Where the component of these sources is kept.
pub(super) fn path(directory: &Path, sources: &Sources, exports: &[Export]) -> PathBuf {
    let mut digest = Sha256::new();
    let world = contract::world(exports);
    let files = sources.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let parts = files
        .chain([("world", &*world), ("componentize-py", VERSION), LINKED])
        .chain(contract::files().iter().copied());
    for (path, text) in parts {
        for part in [path, text] {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
    }
    let name = digest.finalize().iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    });
    directory.join(DIRECTORY).join(name).with_extension(COMPONENT)
}

/// Keeps it, and nothing else that was built before.
pub(super) fn keep(path: &Path, component: &[u8]) -> Result<(), PythonError> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory).map_err(failed(directory))?;
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let earlier = entry.map_err(failed(directory))?.path();
        if earlier.extension().is_some_and(|extension| extension == COMPONENT || extension == UNFINISHED) {
            fs::remove_file(&earlier).map_err(failed(&earlier))?;
        }
    }
    let beside = path.with_extension(UNFINISHED);
    fs::write(&beside, component).map_err(failed(&beside))?;
    fs::rename(&beside, path).map_err(failed(path))
}
