//! `ginghamctl run`: a command inside a network namespace of its own, attached by a configuration, cleaned up after.

mod chain;
mod pod_facts;
mod signals;

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};

use gingham_net::link::{self, Change, Which};
use gingham_net::netlink::{Route, Socket};
use gingham_net::netns::{NetNs, NetnsError};

use crate::cli::RunArguments;
use crate::network::{ConfigDirError, Plugins, find};
use crate::output::{print_error, print_error_json};
use chain::{Chain, ChainError};
use pod_facts::{PodFacts, PodFactsError};
use signals::Signals;

/// The container could not be attached, as other tools have it.
const NOT_ATTACHED: u8 = 125;
/// The command is there and cannot be run.
const NOT_EXECUTABLE: u8 = 126;
/// There is no such command.
const NOT_FOUND: u8 = 127;

/// Why a command did not run, or what it left.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    ConfigDir(#[from] ConfigDirError),
    #[error("{0}; a network namespace needs root")]
    Namespace(#[from] NetnsError),
    #[error("cannot bring up the loopback interface: {0}")]
    Loopback(String),
    #[error(transparent)]
    PodFacts(#[from] PodFactsError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("cannot catch signals: {0}")]
    Signals(io::Error),
    #[error("cannot run {command:?}: {source}")]
    Command { command: String, source: io::Error },
}

impl RunError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Command { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Command { .. } => NOT_EXECUTABLE,
            _ => NOT_ATTACHED,
        }
    }
}

/// Runs it; the exit code is the command's, or says why there is none.
pub(crate) fn run(arguments: &RunArguments, library: &Path) -> ExitCode {
    match attached(arguments, library) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            print_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn attached(arguments: &RunArguments, library: &Path) -> Result<u8, RunError> {
    let configuration = find(&arguments.network, &arguments.config.dir)?;
    // From here on a signal is the command's, or waits until everything is cleaned up.
    let signals = Signals::catch().map_err(RunError::Signals)?;
    let namespace = NetNs::create()?;
    namespace.enter(loopback_up)?.map_err(RunError::Loopback)?;
    // The path ends with this process: should it be killed, nothing has to be taken away but what GC finds.
    let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_fd().as_raw_fd());
    let id = arguments.name.clone().unwrap_or_else(|| format!("run-{}-{}", std::process::id(), crate::clock::now()));
    let plugins = Plugins::of_environment();
    let _facts = PodFacts::write(arguments, &configuration, &plugins, library)?;
    let chain = Chain { configuration: &configuration, plugins, id, netns: path, library };
    let result = match chain.add(&arguments.pod.pod()) {
        Ok(result) => result,
        Err(error) => {
            // What an ADD left in the middle, DEL takes away; its own complaints would only hide the reason.
            let _ = chain.del(None);
            return Err(error.into());
        }
    };
    if arguments.json {
        print_error_json(&result);
    }
    let ended = signals.is_told_to_end().map_or_else(|| command(arguments, &namespace, &signals), Ok);
    let cleaned = chain.del(Some(&result));
    match (ended, cleaned) {
        (Ok(code), Ok(())) => Ok(code),
        (Ok(code), Err(error)) => {
            print_error(&error);
            Ok(if code == 0 { 1 } else { code })
        }
        (Err(error), _) => Err(error),
    }
}

fn loopback_up() -> Result<(), String> {
    let change = Change { up: Some(true), ..Change::default() };
    let mut kernel = Socket::<Route>::open().map_err(|error| error.to_string())?;
    link::change(&mut kernel, Which::Name("lo"), &change).map(drop).map_err(|error| error.to_string())
}

fn command(arguments: &RunArguments, namespace: &NetNs, signals: &Signals) -> Result<u8, RunError> {
    let words = &arguments.command;
    let program = words.first().map_or(OsStr::new(""), |word| word.as_os_str());
    let failed = |source| RunError::Command { command: program.to_string_lossy().into_owned(), source };
    let spawn = || Command::new(program).args(words.iter().skip(1)).spawn();
    let mut child: Child = namespace.enter(spawn)?.map_err(failed)?;
    signals.belong_to(&child).map_err(failed)?;
    let status = child.wait().map_err(failed)?;
    Ok(code(status))
}

/// As a shell has it: 128 and the signal's number.
fn code(status: ExitStatus) -> u8 {
    let of_signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(of_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
