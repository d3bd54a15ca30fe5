//! `ginghamctl`, the admin CLI.

mod allocate;
mod check_config;
mod cli;
mod clock;
mod completions;
mod confirmation;
mod explain;
mod gc;
mod holdings;
mod known_pod;
mod kubectl;
mod kubernetes;
mod lease_store;
mod leases;
mod log;
mod membership;
mod network;
mod node;
mod output;
mod policy;
mod recover;
mod reference;
mod run;
mod status;
mod table;
mod trial;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use output::{ErrorFormat, Output, print_error, print_error_as_json, print_error_lines};

fn main() -> ExitCode {
    gingham_engine::signals::survive_file_size_limit();
    if kubectl::is_called(std::env::args_os().next().as_deref()) {
        return kubectl::main();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error, ErrorFormat::of_command_line()),
    };
    log::start();
    let out = &mut Output::standard();
    if let Command::Run(arguments) = &cli.command {
        return run::run(arguments, &cli.library);
    }
    let done = run(&cli, out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody who reads the first lines only, `ginghamctl leases | head`, has what he wants.
        Err(error) if is_io(error.as_ref(), io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            let message = format!("{error}{}", advice(error.as_ref()));
            match (ErrorFormat::of_command_line(), &cli.command) {
                (ErrorFormat::Json, _) => print_error_as_json(&message),
                // What a plugin, a compiler or a store said, in their lines.
                (ErrorFormat::Text, Command::Try(_) | Command::Policy { .. }) => print_error_lines(message),
                (ErrorFormat::Text, _) => print_error(message),
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli, out: &mut Output) -> Result<(), Box<dyn Error>> {
    match &cli.command {
        Command::Try(arguments) => Ok(trial::run(arguments, &cli.library, out)?),
        Command::Policy { command } => Ok(policy::run(command, &cli.library, out)?),
        Command::CheckConfig(arguments) => Ok(check_config::run(arguments, &cli.library, out)?),
        Command::Run(_) => Ok(()),
        Command::Status(arguments) => Ok(status::run(arguments, &cli.library, out)?),
        Command::Explain(arguments) => Ok(explain::run(arguments, &cli.library, out)?),
        Command::Leases(arguments) => Ok(leases::run(arguments, &cli.library, out)?),
        Command::Gc(arguments) => Ok(gc::run(arguments, out)?),
        Command::Recover(arguments) => Ok(recover::run(arguments, &cli.library, out)?),
        Command::Cluster { command } => Ok(membership::run(command, &cli.library, out)?),
        Command::Node { command } => Ok(node::run(command, &cli.library, out)?),
        Command::Allocate(arguments) => Ok(allocate::allocate(arguments, &cli.library, out)?),
        Command::Release(arguments) => Ok(allocate::release(arguments, &cli.library, out)?),
        Command::Import { command } => reference::import(command, out),
        Command::Export { command } => reference::export(command, out),
        Command::Completions(arguments) => Ok(completions::run(arguments.shell, out)?),
    }
}

/// The library's and the store's files are root's.
fn advice(error: &(dyn Error + 'static)) -> &'static str {
    let refused = is_io(error, io::ErrorKind::PermissionDenied) && !rustix::process::geteuid().is_root();
    if refused && !error.to_string().contains("root") { "; run this as root" } else { "" }
}

fn is_io(error: &(dyn Error + 'static), kind: io::ErrorKind) -> bool {
    let is_it = |error: &io::Error| error.kind() == kind;
    error.downcast_ref().is_some_and(is_it) || error.source().is_some_and(|error| is_io(error, kind))
}
