//! Lines for the operator: on the plugin's standard error, and in the output of a failed test.

use crate::bindings::policy::gingham::ipam::log as wit;
use crate::host;

/// For the policy's author.
pub fn debug(message: &str) {
    host::called();
    wit::log(wit::Level::Debug, message);
}

/// Worth a line.
pub fn info(message: &str) {
    host::called();
    wit::log(wit::Level::Info, message);
}

/// Something may be wrong.
pub fn warn(message: &str) {
    host::called();
    wit::log(wit::Level::Warn, message);
}

/// Something is wrong.
pub fn error(message: &str) {
    host::called();
    wit::log(wit::Level::Error, message);
}
