//! `GINGHAM_LOG`: the steps of a command on standard error, for those who look for a fault.

use std::io;

use tracing_subscriber::filter::LevelFilter;

use crate::output::{self, print_error};

const VARIABLE: &str = "GINGHAM_LOG";

/// Off by default.
pub(crate) fn start() {
    let Ok(level) = std::env::var(VARIABLE) else { return };
    match level.parse::<LevelFilter>() {
        Ok(level) => {
            let format = tracing_subscriber::fmt().with_max_level(level).with_target(false).without_time();
            format.with_ansi(false).with_writer(|| Lines).init();
        }
        Err(_) => {
            print_error(format!("{VARIABLE}: invalid level {level:?}: use error, warn, info, debug, trace or off"));
        }
    }
}

/// Each write is one line.
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        output::log_line(String::from_utf8_lossy(line).trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
