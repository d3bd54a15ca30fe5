//! What crosses the border to the runtime: environment, network configuration, results and errors. Every malformed
//! input is refused in here, with its CNI code.

pub(crate) mod args;
pub(crate) mod attachments;
pub(crate) mod bridge;
pub(crate) mod config;
pub(crate) mod env;
pub(crate) mod error;
mod json;
pub(crate) mod requested;
pub(crate) mod result;
pub(crate) mod version;
pub(crate) mod vlans;
pub(crate) mod wishes;
