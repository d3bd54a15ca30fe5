//! `ginghamctl policy`: policies on their way from an idea to the library of installed policies.

mod acquisition;
mod add;
mod bench;
mod build;
mod call;
mod check;
mod compilation;
mod compile;
mod component;
mod inspect;
mod installed_component;
mod ipam_object;
mod list;
mod messages;
#[cfg(test)]
mod mutated_components;
mod new;
mod next_version;
mod progress;
mod pull;
mod push;
mod recompile;
mod recompiled;
mod record;
mod remove;
mod replay;
mod sign;
mod source;
mod test;
mod verify;
mod whole_file;
mod wit;

use std::error::Error;
use std::path::{Path, PathBuf};

use gingham_engine::library::Library;
use gingham_engine::settings::default_library;

use crate::cli::PolicyCommand;
use crate::output::Output;

pub(crate) use list::{COPIED, short_digest};

/// A directory that an option names is there, unless the command makes it.
#[derive(Debug, thiserror::Error)]
#[error("the library of policies {} does not exist; name another with --library", path.display())]
struct MissingLibrary {
    path: PathBuf,
}

/// Runs a subcommand; those that use the library find it in this directory.
pub(crate) fn run(command: &PolicyCommand, library_dir: &Path, out: &mut Output) -> Result<(), Box<dyn Error>> {
    let open = || {
        tracing::debug!(library = %library_dir.display(), "open the library of policies");
        Library::open(library_dir)
    };
    let existing = || -> Result<Library, Box<dyn Error>> {
        if library_dir != default_library() && !library_dir.exists() {
            return Err(MissingLibrary { path: library_dir.to_owned() }.into());
        }
        Ok(open()?)
    };
    match command {
        PolicyCommand::New(arguments) => Ok(new::run(arguments, out)?),
        PolicyCommand::Build(arguments) => Ok(build::run(arguments, out)?),
        PolicyCommand::Wit(arguments) => Ok(wit::run(arguments, out)?),
        PolicyCommand::Call(arguments) => Ok(call::run(arguments, &existing()?, out)?),
        PolicyCommand::Test(arguments) => Ok(test::run(arguments, &existing()?, out)?),
        PolicyCommand::Check(arguments) => Ok(check::run(arguments, &existing()?, out)?),
        PolicyCommand::Bench(arguments) => Ok(bench::run(arguments, &existing()?, out)?),
        PolicyCommand::Replay(arguments) => Ok(replay::run(arguments, &existing()?, out)?),
        PolicyCommand::Compare(arguments) => Ok(replay::compare(arguments, &existing()?, out)?),
        PolicyCommand::Add(arguments) => Ok(add::run(arguments, &mut open()?, library_dir, out)?),
        PolicyCommand::Compile(arguments) => Ok(compile::run(arguments, out)?),
        PolicyCommand::List(arguments) => Ok(list::run(arguments, &existing()?, out)?),
        PolicyCommand::Inspect(arguments) => Ok(inspect::run(arguments, &existing()?, out)?),
        PolicyCommand::Remove(arguments) => Ok(remove::run(arguments, &mut existing()?, library_dir, out)?),
        PolicyCommand::Record(arguments) => Ok(record::run(arguments, out)?),
        PolicyCommand::Push(arguments) => Ok(push::run(arguments, out)?),
        PolicyCommand::Pull(arguments) => Ok(pull::run(arguments, out)?),
        PolicyCommand::Sign(arguments) => Ok(sign::run(arguments, out)?),
        PolicyCommand::Verify(arguments) => Ok(verify::run(arguments, out)?),
        PolicyCommand::Recompile(arguments) => Ok(recompile::run(arguments, &mut existing()?, library_dir, out)?),
    }
}
