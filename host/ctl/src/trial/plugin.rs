//! The plugin, run as a container runtime runs it: environment and standard input in, standard output out.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use gingham_testbed::cni::{Bounds, BoundsError, Call};

use super::config::TrialConfig;
use super::container::{Container, INTERFACE};

/// Where the plugin is put: in the sandbox's own `/run`.
pub(super) const DIRECTORY: &str = "/run/gingham-try";

/// Where other plugins are, for configurations that need one.
const OTHERS: &str = "/opt/cni/bin:/usr/lib/cni";

/// A plugin takes well under a second, and prints one result.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(1), output: 1 << 20 };

/// What went wrong with the plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    #[error("cannot open the plugin {path}: {source}; build it with `cargo build`, or name its file with --plugin")]
    Missing { path: PathBuf, source: io::Error },
    #[error("cannot find the plugin: {source}; name its file with --plugin")]
    Nowhere { source: io::Error },
    #[error("cannot {operation} {path}: {source}")]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{verb} of container {container}: the plugin did not end within {} s and was stopped; --plugin names a CNI plugin, \
         which ends by itself", BOUNDS.time.as_secs()
    )]
    Slow { verb: Verb, container: &'static str },
    #[error(
        "{verb} of container {container}: the plugin wrote more than {} MiB and was stopped; --plugin names a CNI plugin, \
         which prints one result", BOUNDS.output >> 20
    )]
    TooMuch { verb: Verb, container: &'static str },
    #[error("{verb} of container {container} failed after {took}; the plugin's error:\n{said}")]
    Failed { verb: Verb, container: &'static str, took: String, said: String },
}

/// What the plugin is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Add,
    Check,
    Del,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The plugin's file, open: it may lie in a directory that the sandbox hides.
pub(super) struct PluginFile {
    file: File,
    path: PathBuf,
}

/// The plugin, ready to run.
pub(super) struct Plugin {
    /// Its file, under the name that the configuration gives it.
    path: PathBuf,
}

/// An answer.
pub(super) struct Answered {
    /// Standard output.
    pub(super) said: String,
    /// Lines of standard error: runtimes put them into their logs.
    pub(super) logged: Vec<String>,
    pub(super) took: Duration,
}

impl PluginFile {
    /// Finds the plugin: where it is said to be, or beside this program.
    pub(super) fn find(named: Option<&Path>) -> Result<Self, PluginError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => {
                std::env::current_exe().map_err(|source| PluginError::Nowhere { source })?.with_file_name("gingham")
            }
        };
        match File::open(&path).and_then(|file| Ok((file.metadata()?.is_file(), file))) {
            Ok((true, file)) => Ok(Self { file, path }),
            Ok((false, _)) => Err(PluginError::Missing { path, source: io::Error::other("it is not a regular file") }),
            Err(source) => Err(PluginError::Missing { path, source }),
        }
    }

    /// Finds another program that may lie beside this one.
    pub(super) fn beside(name: &str) -> Option<Self> {
        let path = std::env::current_exe().ok()?.with_file_name(name);
        Self::find(Some(&path)).ok()
    }

    /// Puts it, inside the sandbox, under the name the configuration gives it.
    pub(super) fn install(self, config: &TrialConfig) -> Result<Plugin, PluginError> {
        Ok(Plugin { path: self.install_as(&config.kind)? })
    }

    /// Puts it, inside the sandbox, under a name.
    pub(super) fn install_as(mut self, name: &str) -> Result<PathBuf, PluginError> {
        let path = Path::new(DIRECTORY).join("bin").join(name);
        let fault = |operation| {
            let path = path.clone();
            move |source| PluginError::Io { operation, path, source }
        };
        fs::create_dir_all(Path::new(DIRECTORY).join("bin")).map_err(fault("make the directory of"))?;
        let mut copy = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)
            .map_err(fault("make a copy of the plugin at"))?;
        io::copy(&mut self.file, &mut copy).map_err(|source| PluginError::Io {
            operation: "copy the plugin",
            path: self.path,
            source,
        })?;
        Ok(path)
    }
}

impl Plugin {
    /// Asks for something for a container, with a configuration on standard input.
    pub(super) fn call(
        &self,
        verb: Verb,
        container: &Container,
        arguments: &str,
        input: &str,
    ) -> Result<Answered, PluginError> {
        let mut call = Call::new(&self.path, verb.as_str(), input.to_owned());
        call.inherit_environment();
        let own = self.path.parent().unwrap_or(Path::new(DIRECTORY)).display().to_string();
        let others = std::env::var("CNI_PATH").unwrap_or_else(|_| OTHERS.to_owned());
        call.command.env("CNI_PATH", format!("{own}:{others}")).env("CNI_ARGS", arguments);
        call.attachment(container.id, &container.path, INTERFACE);
        tracing::debug!(%verb, plugin = %self.path.display(), container = container.id, "run the plugin");
        let container_id = container.id;
        let (output, took) = call.run_within(BOUNDS).map_err(|error| match error {
            BoundsError::Io(source) => PluginError::Io { operation: "run the plugin", path: self.path.clone(), source },
            BoundsError::Time => PluginError::Slow { verb, container: container_id },
            BoundsError::Output => PluginError::TooMuch { verb, container: container_id },
        })?;
        answered(verb, container, &output, took)
    }
}

fn answered(verb: Verb, container: &Container, output: &Output, took: Duration) -> Result<Answered, PluginError> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let logged = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(Answered { said, logged: logged.lines().map(str::to_owned).collect(), took });
    }
    let mut all = vec![said.trim_end().to_owned(), logged.trim_end().to_owned()];
    if output.status.code() != Some(1) {
        all.push(format!("(it ended with {})", output.status));
    }
    all.retain(|part| !part.is_empty());
    let took = crate::clock::format_duration(took);
    Err(PluginError::Failed { verb, container: container.id, took, said: all.join("\n") })
}
