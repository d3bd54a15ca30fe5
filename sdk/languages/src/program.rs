//! Programs of a toolchain, and how to get those that are missing.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::{env, fmt, io};

use crate::ToolchainError;

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

    /// A call of it.
    #[allow(clippy::disallowed_methods)] // What a toolchain is there for.
    pub(crate) fn command(self) -> Command {
        Command::new(self.name)
    }

    /// Runs a call of it.
    ///
    /// # Errors
    /// It is missing, or it reports a failure.
    pub(crate) fn run(self, mut command: Command) -> Result<Output, ToolchainError> {
        let output = command.output().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ToolchainError::Missing { program: self },
            _ => ToolchainError::Start { program: self.name, source },
        })?;
        if output.status.success() {
            return Ok(output);
        }
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        Err(ToolchainError::Failed { program: self.name, output: text.trim_end().to_owned() })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is missing: {}", self.name, self.install)
    }
}
