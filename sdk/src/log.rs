//! Lines for the operator: on the plugin's standard error, and in the output of a failed test.

use crate::bindings::plain::gingham::ipam::log as wit;

/// For the policy's author.
pub fn debug(message: &str) {
    wit::log(wit::Level::Debug, message);
}

/// Worth a line.
pub fn info(message: &str) {
    wit::log(wit::Level::Info, message);
}

/// Something may be wrong.
pub fn warn(message: &str) {
    wit::log(wit::Level::Warn, message);
}

/// Something is wrong.
pub fn error(message: &str) {
    wit::log(wit::Level::Error, message);
}
