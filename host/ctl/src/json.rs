//! Answers as JSON.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one, and ends the line.
pub(crate) fn write(answer: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answer)?;
    writeln!(out)
}
