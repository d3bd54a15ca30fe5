//! The CNI plugin.
//!
//! [`cni`] reads what the runtime says and writes what it hears; [`plan`] decides what will be done; each verb is one
//! file, a list of steps: `add`, `del`, `check`, `gc`, `status`. Only they know more than one of the engine, the
//! kernel's network and other plugins.

mod add;
mod addressing;
pub mod adoption;
mod alias;
mod allotment;
mod call;
mod check;
mod cluster;
mod cni;
mod del;
mod delegate;
pub mod divided;
mod failpoint;
mod gc;
mod guards;
pub mod holdings;
mod host_side;
mod inspection;
pub mod ip_masquerade;
mod ipam;
mod journal;
mod links;
mod lock;
mod nat;
pub mod network;
mod plan;
mod policies;
mod records;
pub mod recovery;
pub mod remains;
mod resolv_conf;
mod sandbox;
mod status;
mod undo;
mod ways;

use std::ffi::OsString;
use std::io::Read;

pub use plan::OWN_NAME;

use call::Call;
use cni::config::{ConfigError, NetworkConfig};
use cni::env::{EnvError, Environment, Verb};
use cni::error::{CniError, Code};
use cni::version::{self, SpecVersion};

/// The variable that names another directory of installed policies: `ginghamctl run --library` sets it.
pub const LIBRARY_VARIABLE: &str = "GINGHAM_LIBRARY";

/// What the plugin has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// For standard output, exit code 0. Empty for verbs without an answer.
    Success(String),
    /// An error object for standard output, exit code 1.
    Failure(String),
    /// For standard error, exit code 0: a person started the plugin by hand.
    About(String),
}

/// Serves one call: `program` is the name the plugin runs under, `variable` reads the environment, `input` is the
/// network configuration.
pub fn run(program: &str, variable: impl Fn(&str) -> Option<OsString>, input: &mut dyn Read) -> Answer {
    let environment = match Environment::read(&variable) {
        Ok(Some(environment)) => environment,
        Ok(None) => return Answer::About(version::about(program)),
        Err(error) => return failure(&error.into(), SpecVersion::NEWEST),
    };
    if environment.verb == Ok(Verb::Version) {
        return Answer::Success(version::report());
    }
    let (config, input) = match read_config(&environment, input) {
        Ok(read) => read,
        Err(error) => return failure(&error, SpecVersion::NEWEST),
    };
    let version = config.version().unwrap_or(SpecVersion::NEWEST);
    let verb = environment.verb.clone();
    let mut call = Call::new(program, environment, config, input);
    if let Some(library) = variable(LIBRARY_VARIABLE).filter(|library| !library.is_empty()) {
        call.library = library.into();
    }
    match serve(verb, &call) {
        Ok(answer) => Answer::Success(answer),
        Err(error) => failure(&error, version),
    }
}

fn failure(error: &CniError, version: SpecVersion) -> Answer {
    Answer::Failure(error.render(version))
}

fn read_config(environment: &Environment, input: &mut dyn Read) -> Result<(NetworkConfig, Vec<u8>), CniError> {
    let mut bytes = Vec::new();
    input
        .read_to_end(&mut bytes)
        .map_err(|error| CniError::new(Code::IO, format!("error reading from stdin: {error}")))?;
    let config = match environment.verb {
        Ok(Verb::Del { .. } | Verb::Gc) => {
            NetworkConfig::parse_tolerant(&bytes, |fault: &ConfigError| journal::warn(fault))
        }
        _ => NetworkConfig::parse(&bytes),
    };
    Ok((config?, bytes))
}

fn serve(verb: Result<Verb, EnvError>, call: &Call) -> Result<String, CniError> {
    let silent = |()| String::new();
    match verb? {
        Verb::Add { attachment, netns } => add::add(call, &attachment, &netns),
        Verb::Del { attachment, netns } => del::del(call, &attachment, netns.as_deref()).map(silent),
        Verb::Check { attachment, netns } => check::check(call, &attachment, &netns).map(silent),
        Verb::Gc => gc::gc(call).map(silent),
        Verb::Status => status::status(call).map(silent),
        Verb::Version => Ok(version::report()),
    }
}
