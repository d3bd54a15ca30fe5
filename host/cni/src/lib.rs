//! The protocol between a container runtime and a CNI plugin: environment, network configuration, results and errors.
//! Malformed input is refused in here. No kernel, no policy.

#![allow(missing_docs, clippy::missing_errors_doc, reason = "an internal crate: what is not obvious is documented")]

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
