//! The simulation without a policy: blocks are chosen by what was written for it.

use std::process::ExitCode;

use gingham_simulation::command;
use gingham_simulation::disk::LeaseDisk;

fn main() -> ExitCode {
    command::main::<LeaseDisk>()
}
