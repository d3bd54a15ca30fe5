//! The protocol between a container runtime and a CNI plugin: environment, network configuration, results and errors.
//! Malformed input is refused in here. No kernel, no policy.

pub mod args;
pub mod attachments;
pub mod config;
pub mod env;
pub mod error;
pub mod json;
pub mod output;
pub mod requested;
pub mod result;
pub mod version;
