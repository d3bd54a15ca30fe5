//! `ginghamctl policy`: the library of installed policies.

mod add;
mod inspect;
mod list;
mod recompile;
mod remove;
mod source;

use std::error::Error;
use std::path::Path;

use gingham_engine::library::Library;

use crate::cli::PolicyCommand;
use crate::output::Output;

pub(crate) use list::short_digest;

/// Runs a subcommand on the library in a directory.
pub(crate) fn run(command: &PolicyCommand, library_dir: &Path, out: &mut Output) -> Result<(), Box<dyn Error>> {
    tracing::debug!(library = %library_dir.display(), "open the library of policies");
    let mut library = Library::open(library_dir)?;
    match command {
        PolicyCommand::Add(arguments) => Ok(add::run(arguments, &mut library, library_dir, out)?),
        PolicyCommand::List(arguments) => Ok(list::run(arguments, &library, out)?),
        PolicyCommand::Inspect(arguments) => Ok(inspect::run(arguments, &library, out)?),
        PolicyCommand::Remove(arguments) => Ok(remove::run(arguments, &mut library, library_dir, out)?),
        PolicyCommand::Recompile => Ok(recompile::run(&mut library, out)?),
    }
}
