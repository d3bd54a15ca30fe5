//! `ginghamctl completions`

use std::io;

use clap::CommandFactory;
use clap_complete::{Shell as Generator, generate};

use crate::cli::{Cli, Shell};
use crate::output::Output;

/// Writes the script for a shell.
pub(crate) fn run(shell: Shell, out: &mut Output) -> io::Result<()> {
    let generator = match shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
    };
    // The generator panics where nobody listens; a pipe that is closed is no reason to.
    let mut script = Vec::new();
    generate(generator, &mut Cli::command(), "ginghamctl", &mut script);
    out.script(&String::from_utf8_lossy(&script))
}
