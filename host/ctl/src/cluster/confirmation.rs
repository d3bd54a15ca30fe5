//! What cannot be taken back is asked for, in one way.

use std::io::{self, BufRead, IsTerminal};

use super::CommandError;
use crate::cli::Confirmed;
use crate::output::Output;

/// Asks, unless `--yes` was given. Where nobody can answer, that is needed.
pub(super) fn confirm(question: &str, answered: &Confirmed, json: bool, out: &mut Output) -> Result<(), CommandError> {
    if answered.yes {
        return Ok(());
    }
    if json || !io::stdin().is_terminal() {
        return Err(CommandError::NotConfirmed { reason: "say --yes where nobody can be asked" });
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CommandError::NotConfirmed { reason: "it was not confirmed" }),
    }
}
