//! The simulation with the engine's ledger and, with `--weave-split`, the real component.

use std::process::ExitCode;

use gingham_simulation::command;
use gingham_simulation_with_engine::ledger_disk::LedgerDisk;

fn main() -> ExitCode {
    command::main::<LedgerDisk>()
}
