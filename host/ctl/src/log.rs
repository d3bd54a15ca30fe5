//! `GINGHAM_LOG`: the steps of a command on standard error, for those who look for a fault.

use tracing::level_filters::LevelFilter;

use crate::output::{log_line, print_error};

/// Off by default.
pub(crate) fn start() {
    if let Err(error) = gingham_log::start(LevelFilter::OFF, |line| log_line(&line.text())) {
        print_error(error);
    }
}
