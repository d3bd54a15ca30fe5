//! `ginghamctl`, the people's tool: try Gingham, install policies, look at leases and free those that were left.

mod cli;
mod clock;
mod gc;
mod holdings;
mod leases;
mod node;
mod policy;
mod table;
mod trial;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = &mut io::stdout();
    let done = run(&cli, out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody who reads the first lines only, `ginghamctl leases | head`, has what he wants.
        Err(error) if is_io(error.as_ref(), io::ErrorKind::BrokenPipe) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ginghamctl: {error}{}", advice(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    match &cli.command {
        Command::Try(arguments) => Ok(trial::run(arguments, &cli.library, out)?),
        Command::Policy { command } => Ok(policy::run(command, &cli.library, out)?),
        Command::Leases(arguments) => Ok(leases::run(arguments, out)?),
        Command::Gc(arguments) => Ok(gc::run(arguments, out)?),
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
