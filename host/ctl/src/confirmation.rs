//! What cannot be taken back is asked for, in one way.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::Confirmed;
use crate::output::Output;

/// Why a question was not answered by yes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfirmationError {
    #[error("nothing was changed: confirmation needs a terminal; use --yes")]
    NotAsked,
    #[error("nothing was changed: not confirmed")]
    Refused,
    #[error("cannot ask at the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Asks, unless `--yes` was given. Where nobody can answer, that is needed.
pub(crate) fn confirm(
    question: &str,
    answered: &Confirmed,
    json: bool,
    out: &mut Output,
) -> Result<(), ConfirmationError> {
    if answered.yes {
        return Ok(());
    }
    if json || !io::stdin().is_terminal() {
        return Err(ConfirmationError::NotAsked);
    }
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(ConfirmationError::Refused),
    }
}
