//! Standard output, where the runtime expects the answer. An answer that did not arrive is a failed call: the runtime
//! will act as if nothing had been done, so nothing may remain.

use std::io::{self, Write};

/// The answer did not reach the runtime. CNI code 5.
#[derive(Debug, thiserror::Error)]
#[error("standard output: cannot write the result: {source}; repeat the call and read its output")]
pub struct OutputError {
    source: io::Error,
}

pub struct Output<'a> {
    stream: &'a mut dyn Write,
    failed: bool,
}

impl<'a> Output<'a> {
    pub fn new(stream: &'a mut dyn Write) -> Self {
        Self { stream, failed: false }
    }

    /// Whether an answer was lost. Another one would be lost, too, or follow the torn beginning of the first.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    pub fn write(&mut self, answer: &str) -> Result<(), OutputError> {
        let written = self.stream.write_all(answer.as_bytes()).and_then(|()| self.stream.flush());
        written.map_err(|source| {
            self.failed = true;
            OutputError { source }
        })
    }
}
