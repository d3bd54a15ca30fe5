//! The CNI plugin.
//!
//! Each verb is one file, a list of steps: `add`, `del`, `check`, `gc`, `status`. The protocol is `gingham-cni`, the
//! network `gingham-network`.

mod add;
mod check;
mod del;
mod earlier_attachments;
mod gc;
mod host_side;
mod inspection;
mod links;
mod status;
mod undo;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;

use gingham_cni::config::{ConfigError, NetworkConfig};
use gingham_cni::env::{Environment, Verb};
use gingham_cni::error::Code;
use gingham_cni::output::Output;
use gingham_cni::version::{self, SpecVersion};
use gingham_engine::library;
use gingham_engine::settings::default_library;
use gingham_network::call::Call;
use gingham_network::error::NetworkError;
use gingham_network::{LIBRARY_VARIABLE, log};
use gingham_untrusted::text;

pub use gingham_network::plan::OWN_NAME;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Exit code 0. The answer, if the verb has one, was written to standard output.
    Success,
    /// An error object for standard output, exit code 1.
    Failure(String),
    /// For standard error, exit code 1: standard output did not take the answer, and what was done is undone.
    Undelivered(String),
    /// For standard error, exit code 0: a person started the plugin by hand.
    About(String),
}

/// The most bytes of standard input: a list of 100,000 attachments for GC has some 10 million.
const LONGEST_INPUT: u64 = 16 << 20;

/// Serves one call: `program` is the name the plugin runs under, `variable` reads the environment, `input` is the
/// network configuration, and `output` takes the answer.
pub fn run(
    program: &str,
    variable: impl Fn(&str) -> Option<OsString>,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Answer {
    let environment = match Environment::read(&variable) {
        Ok(Some(environment)) => environment,
        Ok(None) => {
            // `ginghamctl policy recompile --for` reads the last line.
            let about = format!("{}compiled policies: {}\n", version::about(program), library::artefact_key());
            return Answer::About(text::lines(&about));
        }
        Err(error) => return failure(&error.into(), SpecVersion::NEWEST),
    };
    let mut output = Output::new(output);
    let library = variable(LIBRARY_VARIABLE).filter(|library| !library.is_empty()).map(PathBuf::from);
    let mut version = SpecVersion::NEWEST;
    match serve(program, environment, library, input, &mut output, &mut version) {
        Ok(()) => Answer::Success,
        Err(error) if output.has_failed() => {
            let separator = if error.details.is_empty() { "" } else { "; " };
            Answer::Undelivered(format!("{}{separator}{}", error.msg, error.details))
        }
        Err(error) => failure(&error, version),
    }
}

/// A line for the operator on standard error, where standard output takes nothing.
pub fn complain(message: &str) {
    log::error(message);
}

fn failure(error: &NetworkError, version: SpecVersion) -> Answer {
    Answer::Failure(error.render(version))
}

/// `version` becomes the configuration's as soon as it is known: errors are written in it.
fn serve(
    program: &str,
    environment: Environment,
    library: Option<PathBuf>,
    input: &mut dyn Read,
    output: &mut Output<'_>,
    version: &mut SpecVersion,
) -> Result<(), NetworkError> {
    if environment.verb == Ok(Verb::Version) {
        return Ok(output.write(&version::report())?);
    }
    let (config, input) = read_config(&environment, input)?;
    *version = config.version().unwrap_or(SpecVersion::NEWEST);
    let verb = environment.verb.clone()?;
    let call = Call::new(program, environment, config, input, &library.unwrap_or_else(default_library));
    log_call(&call, &verb);
    match verb {
        Verb::Add { attachment, netns } => add::add(&call, &attachment, &netns, output),
        Verb::Del { attachment, netns } => del::del(&call, &attachment, netns.as_deref()),
        Verb::Check { attachment, netns } => check::check(&call, &attachment, &netns),
        Verb::Gc => gc::gc(&call),
        Verb::Status => status::status(&call),
        Verb::Version => Ok(()),
    }
}

fn log_call(call: &Call, verb: &Verb) {
    let attachment = match verb {
        Verb::Add { attachment, .. } | Verb::Del { attachment, .. } | Verb::Check { attachment, .. } => {
            Some(attachment)
        }
        Verb::Gc | Verb::Status | Verb::Version => None,
    };
    let verb = verb.name();
    let container = attachment.map(|attachment| attachment.container.as_str());
    let interface = attachment.map(|attachment| attachment.interface.as_str());
    tracing::debug!(network = call.config.name.as_str(), verb, container, interface, "configuration read");
}

fn read_config(environment: &Environment, input: &mut dyn Read) -> Result<(NetworkConfig, Vec<u8>), NetworkError> {
    let mut bytes = Vec::new();
    input
        .take(LONGEST_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| NetworkError::new(Code::IO, format!("error reading from stdin: {error}")))?;
    if bytes.len() as u64 > LONGEST_INPUT {
        return Err(ConfigError::InputTooLong { most: LONGEST_INPUT }.into());
    }
    let config = match environment.verb {
        Ok(Verb::Del { .. } | Verb::Gc) => {
            NetworkConfig::parse_tolerant(&bytes, |fault: &ConfigError| log::warn(fault))
        }
        _ => NetworkConfig::parse(&bytes),
    };
    Ok((config?, bytes))
}
