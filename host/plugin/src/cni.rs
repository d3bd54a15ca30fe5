//! What crosses the border to the runtime: environment, network configuration, results and errors. Every malformed
//! input is refused in here, with its CNI code.

pub mod args;
pub mod attachments;
pub mod bridge;
pub mod config;
pub mod env;
pub mod error;
mod json;
pub mod requested;
pub mod result;
pub mod version;
pub mod wishes;
