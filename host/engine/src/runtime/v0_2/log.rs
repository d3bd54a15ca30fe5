//! Interface `log`: lines for the operator.

use super::bindings::gingham::ipam::log as wit;
use super::convert;
use crate::runtime::state::{HostState, LogLevel, LogLine};

/// Lines kept per session; bytes kept per line.
const LOG_LINES: usize = 64;
const LOG_LINE_BYTES: usize = 1024;

impl wit::Host for HostState {
    fn log(&mut self, level: wit::Level, message: String) -> wasmtime::Result<()> {
        self.charge_for(message.len())?;
        if self.lines.len() >= LOG_LINES {
            self.lines_dropped += 1;
            return Ok(());
        }
        let level = match level {
            wit::Level::Debug => LogLevel::Debug,
            wit::Level::Info => LogLevel::Info,
            wit::Level::Warn => LogLevel::Warn,
            wit::Level::Error => LogLevel::Error,
        };
        self.lines.push(LogLine { level, message: convert::one_line(&message, LOG_LINE_BYTES) });
        Ok(())
    }
}
