//! Programs of a toolchain, and how to get those that are missing.

use std::path::PathBuf;
use std::{env, fmt};

/// A program that a toolchain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    pub name: &'static str,
    /// The command or address that installs it.
    pub install: &'static str,
}

impl Program {
    /// Where `PATH` has it.
    pub fn find(&self) -> Option<PathBuf> {
        env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(self.name)).find(|path| path.is_file())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing: {}", self.name, self.install)
    }
}
