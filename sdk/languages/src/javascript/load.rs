//! From a policy's directory to a module in which its JavaScript is loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gingham_untrusted::file::{FileError, read_text};

use super::engine::{EngineError, JavaScriptEngine, Outcome, Sources};

/// Bytes of one file; more than that is not what a person wrote or a bundler made of it.
const LONGEST: u64 = 4 << 20;

/// Files of one policy.
const MOST: usize = 256;

/// Why a policy in JavaScript is not built.
#[derive(Debug, thiserror::Error)]
pub enum JavaScriptError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: FileError },
    #[error("it imports more than {MOST} files; bundle them into one")]
    TooMany,
    #[error("it does not load: {reason}")]
    Refused { reason: String },
    #[error("it takes too long or too much memory to load; move the work into the functions of the policy")]
    Endless,
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A module with the policy in it.
pub(super) struct Loaded {
    pub(super) module: Vec<u8>,
    /// The policy's functions that the contract knows.
    pub(super) functions: Vec<String>,
}

/// Loads the main module and what it imports.
pub(super) fn load(directory: &Path, main: &str) -> Result<Loaded, JavaScriptError> {
    let mut modules = BTreeMap::from([(main.to_owned(), read(&directory.join(main))?)]);
    let engine = JavaScriptEngine::shared()?;
    while modules.len() <= MOST {
        let evaluated =
            engine.evaluate(&Sources { main, modules: modules.clone() })?.ok_or(JavaScriptError::Endless)?;
        match &evaluated.outcome {
            Outcome::Failed(reason) => return Err(JavaScriptError::Refused { reason: reason.clone() }),
            // It was said which file is missing: all of them are handed over when nothing is.
            Outcome::Missing(name) => {
                let text = read(&directory.join(name))?;
                modules.insert(name.clone(), text);
            }
            Outcome::Loaded(functions) => {
                let functions = functions.clone();
                return Ok(Loaded { module: engine.snapshot(evaluated)?, functions });
            }
        }
    }
    Err(JavaScriptError::TooMany)
}

fn read(path: &Path) -> Result<String, JavaScriptError> {
    read_text(path, LONGEST).map_err(|source| JavaScriptError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_that_never_ends_or_is_too_long_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        symlink("/dev/zero", at("policy.js")).unwrap();
        File::create(at("long.js")).unwrap().set_len(LONGEST + 1).unwrap();
        for (name, why) in [("policy.js", "it is a device"), ("long.js", "it is larger than 4194304 bytes")] {
            let refused = read(&at(name)).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
    }
}
