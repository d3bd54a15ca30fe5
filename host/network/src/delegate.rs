//! Another IPAM plugin: looked up on `CNI_PATH`, run with the same environment and standard input, as the
//! specification says. The only place that starts a program.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use gingham_cni::error::Code;
use serde::Deserialize;
use serde_json::Value;

use crate::error::NetworkError;
use crate::log;
use crate::policies::built_in;

/// A delegated plugin that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum DelegateError {
    /// A name that would leave the plugin directories. CNI code 7.
    #[error("ipam.type: invalid plugin name: {plugin:?}")]
    BadName { plugin: String },
    /// No directory of `CNI_PATH` has it. CNI code 7.
    #[error(
        "ipam.type: failed to find plugin {plugin:?} in path [{}]; install it there, or a policy of this name with ginghamctl \
         policy add; built-in policies are {}",
        path.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" "),
        built_in()
    )]
    NotFound {
        plugin: String,
        /// Where it was looked for.
        path: Vec<PathBuf>,
    },
    /// The system does not run it. CNI code 5.
    #[error("cannot run IPAM plugin {}: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// It answered with an error, which passes through.
    #[error("{error}")]
    Refused {
        /// Its error.
        error: NetworkError,
    },
    /// It failed without an error of its own. CNI code 999.
    #[error("IPAM plugin {plugin:?} failed ({status}): {output}")]
    Died {
        plugin: String,
        /// How it ended.
        status: String,
        output: String,
    },
    /// It succeeded and gave no address. CNI code 6.
    #[error("IPAM plugin {plugin:?} returned missing IP config: its answer has no address; check its configuration")]
    NoAddress { plugin: String },
    /// It succeeded and answered no JSON. CNI code 6.
    #[error("IPAM plugin {plugin:?}: its answer is not JSON: {message}; fix or replace the plugin")]
    NoAnswer { plugin: String, message: String },
}

/// How to run a delegated plugin.
#[derive(Debug, Clone, Copy)]
pub struct Delegate<'a> {
    pub plugin: &'a str,
    pub path: &'a [PathBuf],
    /// Standard input, to the byte.
    pub input: &'a [u8],
}

/// A program that another process's `fork` still holds open for writing right after it was installed.
const BUSY_TRIES: u32 = 6;
const BUSY_PAUSE: Duration = Duration::from_millis(200);

impl Delegate<'_> {
    /// The first regular file of this name in the directories of `CNI_PATH`.
    pub fn find(&self) -> Result<PathBuf, DelegateError> {
        let plugin = self.plugin;
        if plugin.is_empty() || plugin.contains('/') || plugin == "." || plugin == ".." {
            return Err(DelegateError::BadName { plugin: plugin.to_owned() });
        }
        let candidates = self.path.iter().filter(|dir| !dir.as_os_str().is_empty()).map(|dir| dir.join(plugin));
        let found = candidates.into_iter().find(|file| file.is_file());
        found.ok_or_else(|| DelegateError::NotFound { plugin: plugin.to_owned(), path: self.path.to_vec() })
    }

    /// Runs it for ADD. An empty answer is an empty result.
    pub fn add(&self) -> Result<Value, DelegateError> {
        let output = self.run("ADD")?;
        if output.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output)
            .map_err(|error| DelegateError::NoAnswer { plugin: self.plugin.to_owned(), message: error.to_string() })
    }

    /// Runs it for a verb without an answer: DEL, CHECK, GC or STATUS.
    pub fn pass_on(&self, verb: &str) -> Result<(), DelegateError> {
        self.run(verb).map(drop)
    }

    fn run(&self, verb: &str) -> Result<Vec<u8>, DelegateError> {
        let program = self.find()?;
        tracing::debug!(program = %program.display(), verb, "run the IPAM plugin");
        let start = |source| DelegateError::Start { program: program.clone(), source };
        let child = spawn(&program, verb).map_err(start)?;
        let output = converse(child, self.input).map_err(start)?;
        if output.status.success() {
            // Its standard error is for the operator.
            log::of_plugin(&output.stderr);
            return Ok(output.stdout);
        }
        Err(self.failure(&output))
    }

    fn failure(&self, output: &Output) -> DelegateError {
        if let Some(error) = written_error(&output.stdout) {
            return DelegateError::Refused { error };
        }
        let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        DelegateError::Died {
            plugin: self.plugin.to_owned(),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(said).trim().to_owned(),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "delegation is running another program; nothing else here does")]
fn spawn(program: &Path, verb: &str) -> io::Result<Child> {
    let mut command = std::process::Command::new(program);
    command.env("CNI_COMMAND", OsString::from(verb));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tries = 1;
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            result => return result,
        }
    }
}

/// Writes and reads at the same time: neither side waits for the other to empty a pipe.
fn converse(mut child: Child, input: &[u8]) -> io::Result<Output> {
    let stdin = child.stdin.take();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A plugin that does not read its input ends the pipe; its exit code shows whether it did its work.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        child.wait_with_output()
    })
}

/// The error object a plugin printed. A plugin may print its result first (the reference's network namespace check).
fn written_error(stdout: &[u8]) -> Option<NetworkError> {
    #[derive(Deserialize)]
    struct Written {
        #[serde(default)]
        code: Option<Code>,
        #[serde(default)]
        msg: String,
        #[serde(default)]
        details: String,
    }
    let objects = serde_json::Deserializer::from_slice(stdout).into_iter::<Value>();
    let last = objects.map_while(Result::ok).last()?;
    let written: Written = gingham_config::from_value(&last).ok()?;
    Some(NetworkError { code: written.code?, msg: written.msg, details: written.details })
}

#[cfg(test)]
mod tests;
