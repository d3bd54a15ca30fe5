//! `ginghamctl node`: Gingham's programs on a node.

mod error;
mod install;
mod kernel;
mod probe;
mod program;
mod uninstall;

use std::path::Path;

use crate::cli::NodeCommand;
use crate::output::Output;
pub(crate) use error::NodeError;

/// In the order of installing. Uninstalling goes the other way round: until the end there is a plugin for DEL.
const PROGRAMS: [&str; 2] = ["ginghamctl", gingham_network::plan::OWN_NAME];

pub(crate) fn run(command: &NodeCommand, library: &Path, out: &mut Output) -> Result<(), NodeError> {
    match command {
        NodeCommand::Install(arguments) => install::run(arguments, out),
        NodeCommand::Rollback(arguments) => install::roll_back(arguments, out),
        NodeCommand::Uninstall(arguments) => uninstall::run(arguments, library, out),
        NodeCommand::Probe(arguments) => probe::run(arguments, out),
    }
}
