//! `kubectl gingham`: this program under the name `kubectl-gingham`. All calls of the API go through `kubectl`, so that every
//! kubeconfig, proxy and way to log in works as people know it.

mod agents;
mod blocks;
mod client;
mod drain;
mod error;
mod explain;
mod ips;
mod leases;
mod objects;
mod status;
mod takeover;
mod view;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{KubectlCli, KubectlCommand};
use crate::output::{self, ErrorFormat, Output, print_error, print_error_as_json};
use client::Kubectl;
use error::KubectlError;

/// A file's name cannot always hold the hyphen that kubectl writes for a space.
const NAMES: [&str; 2] = ["kubectl-gingham", "kubectl_gingham"];

/// Whether this program was started as a plugin of kubectl.
pub(crate) fn is_called(program: Option<&OsStr>) -> bool {
    let name = program.and_then(|program| Path::new(program).file_name());
    name.is_some_and(|name| NAMES.iter().any(|own| name == *own))
}

pub(crate) fn main() -> ExitCode {
    let format = ErrorFormat::of_kubectl_command_line();
    let cli = match KubectlCli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, format),
    };
    crate::log::start();
    let out = &mut Output::standard();
    match run(&cli, out).and_then(|()| Ok(out.flush()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(KubectlError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            match format {
                ErrorFormat::Json => print_error_as_json(&error.to_string()),
                ErrorFormat::Text => print_error(error),
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &KubectlCli, out: &mut Output) -> Result<(), KubectlError> {
    let kubectl = Kubectl::new(&cli.connection);
    match &cli.command {
        KubectlCommand::Ips(arguments) => ips::run(&kubectl, arguments, out),
        KubectlCommand::Status(arguments) => status::run(&kubectl, arguments, out),
        KubectlCommand::Blocks(arguments) => blocks::run(&kubectl, arguments, out),
        KubectlCommand::Explain(arguments) => explain::run(&kubectl, arguments, out),
        KubectlCommand::Drain(arguments) => drain::drain(&kubectl, arguments, out),
        KubectlCommand::Undrain(arguments) => drain::undrain(&kubectl, arguments, out),
        KubectlCommand::Takeover(arguments) => takeover::run(&kubectl, arguments, out),
    }
}
